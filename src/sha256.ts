import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { byCode } from './order.js';

/** Lower-case hex sha256 of what is at hand. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Lower-case hex hash of a file as it is now, read as a stream; `hash` may have been given something before it. */
export async function hashFile(path: string, hash: Hash = createHash('sha256')): Promise<string> {
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** By path, size and time of change; lives as long as the process. */
const known = new Map<string, Promise<string>>();

/** Lower-case hex sha256 of a file, taken once while its size and time of change stay. */
export async function sha256File(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const key = `${path}\n${size}\n${mtimeMs}`;
  let hash = known.get(key);
  if (hash === undefined) {
    hash = hashFile(path);
    known.set(key, hash);
    hash.catch(() => known.delete(key));
  }
  return hash;
}

/** One hash for several files: of `<sha256>  <file name>\n` for each, in name order, as `sha256sum * | sha256sum`. */
export async function sha256Files(paths: readonly string[]): Promise<string> {
  if (paths.length === 1) return sha256File(paths[0]!);
  const sorted = [...paths].sort((a, b) => byCode(basename(a), basename(b)));
  const lines: string[] = [];
  for (const path of sorted) lines.push(`${await sha256File(path)}  ${basename(path)}\n`);
  return sha256(lines.join(''));
}
