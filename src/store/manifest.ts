import { readFileSync } from 'node:fs';
import { sha256 } from '../sha256.js';
import type { BlobEntry } from './blobs.js';

/** Version of the form of a state: 1 was one file a state, `round-000001.state`. */
export const STATE_VERSION = 2;

/** A state without its tensors. */
export interface Manifest {
  readonly version: number;
  readonly turn: number;
  readonly tensors: readonly BlobEntry[];
  /** What `encodeDocument` gave. */
  readonly document: unknown;
}

// {"sha256":"<of all that follows>",<the manifest's own keys>
const HEAD = '{"sha256":"';
const HEAD_LENGTH = HEAD.length + 64 + '",'.length;

/** A manifest as JSON whose first key is a checksum of the rest. */
export function formatManifest(manifest: Manifest): string {
  const rest = `${JSON.stringify(manifest).slice(1)}\n`;
  return `${HEAD}${sha256(rest)}",${rest}`;
}

const BEGINNING = /^\{"sha256":"[0-9a-f]{64}","version":\d+,/;

/** The manifest of a file; or what is wrong with it. */
export function readManifest(path: string): Manifest | string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is missing' : (error as Error).message;
  }
  const text = bytes.toString();
  if (!BEGINNING.test(text)) return 'it does not begin as a saved state does';
  // Bytes, as those that are no UTF-8 would all read as the same character.
  const rest = sha256(bytes.subarray(HEAD_LENGTH));
  if (rest !== text.slice(HEAD.length, HEAD.length + 64)) return 'its checksum does not hold';
  return JSON.parse(text) as Manifest;
}
