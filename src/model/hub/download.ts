import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { hashFile } from '../../sha256.js';
import { type HubSpec, hubError } from './spec.js';

/** What the hub says a file is: LFS files by sha256, small ones by git's hash. */
export interface Blob {
  readonly size: number;
  readonly sha256?: string;
  readonly sha1?: string;
}

interface DownloadRequest {
  readonly url: string;
  readonly blob: Blob;
  /** Folder of the blobs. */
  readonly folder: string;
  readonly type: HubSpec['type'];
  readonly token: string | undefined;
  readonly fetch: typeof fetch;
}

/** A connection that breaks is taken up again where it broke, this many times. */
const ATTEMPTS = 5;

const sizeOf = (path: string) =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

async function hashOf(path: string, blob: Blob): Promise<string> {
  const hash = createHash(blob.sha256 === undefined ? 'sha1' : 'sha256');
  // A git blob is hashed with its kind and size in front.
  if (blob.sha256 === undefined) hash.update(`blob ${await sizeOf(path)}\0`);
  return hashFile(path, hash);
}

/** One request for what is missing of the file. Resolves when the connection ends, whole or not. */
async function fetchRest(request: DownloadRequest, partial: string): Promise<void> {
  let have = await sizeOf(partial);
  if (have > request.blob.size) {
    await rm(partial);
    have = 0;
  }
  if (have === request.blob.size && have > 0) return;
  const headers: Record<string, string> = {};
  if (request.token !== undefined) headers.Authorization = `Bearer ${request.token}`;
  if (have > 0) headers.Range = `bytes=${have}-`;
  const response = await request.fetch(request.url, { headers });
  if (!response.ok) {
    const code = response.status === 401 || response.status === 403 ? 'HUB_ACCESS' : 'HUB_NOT_FOUND';
    if (response.status < 500 && response.status !== 429) {
      throw hubError(request.type, code, `The hub answers ${response.status} for ${request.url}.`);
    }
    throw new Error(`the hub answers ${response.status}`);
  }
  // A server that ignores the range sends the whole file again.
  const flags = response.status === 206 ? 'a' : 'w';
  const body = response.body as ReadableStream | null;
  if (body === null) throw new Error('the answer is empty');
  await pipeline(Readable.fromWeb(body), createWriteStream(partial, { flags }));
}

/**
 * Downloads one file into the blobs of the cache, resuming what an earlier attempt left, and checks its size and hash
 * before it gets its name. Returns its path. Throws HUB_ACCESS, HUB_NOT_FOUND, HUB_UNREACHABLE, HASH_MISMATCH.
 */
export async function downloadBlob(request: DownloadRequest): Promise<string> {
  const { blob, type, url } = request;
  const expected = blob.sha256 ?? blob.sha1 ?? '';
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(expected)) {
    throw hubError(type, 'HASH_MISMATCH', `The hub gives no usable hash for ${url}: "${expected.slice(0, 80)}".`);
  }
  const path = join(request.folder, expected);
  if ((await sizeOf(path)) === blob.size && blob.size > 0) return path;
  await mkdir(request.folder, { recursive: true });
  const partial = `${path}.incomplete`;
  let failure: unknown;
  for (let attempt = 0; attempt < ATTEMPTS && (attempt === 0 || (await sizeOf(partial)) !== blob.size); attempt++) {
    try {
      failure = undefined;
      await fetchRest(request, partial);
    } catch (cause) {
      if ((cause as { code?: string }).code?.startsWith('HUB_')) throw cause;
      failure = cause;
    }
  }
  const size = await sizeOf(partial);
  if (size !== blob.size) {
    const reason = failure instanceof Error ? failure.message : 'the connection ended early';
    const state = `${size} of ${blob.size} bytes of ${url} came: ${reason}`;
    throw hubError(type, 'HUB_UNREACHABLE', `${state}. Run the same command again to go on from there.`, failure);
  }
  const actual = await hashOf(partial, blob);
  if (actual !== expected) {
    await rm(partial, { force: true });
    throw hubError(
      type,
      'HASH_MISMATCH',
      `Expected hash ${expected} for ${url} but the download has ${actual}. Try again.`,
    );
  }
  await rename(partial, path);
  return path;
}

/** Makes a blob appear under its name in a snapshot; where links are not allowed (Windows), as a copy. */
export async function linkBlob(blob: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await symlink(relative(dirname(target), blob), target).catch(async (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') await copyFile(blob, target);
  });
}
