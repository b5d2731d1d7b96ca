import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** By path, size and time of change; lives as long as the process. */
const known = new Map<string, Promise<string>>();

/** Lower-case hex sha256 of a file, read as a stream. */
export async function sha256File(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const key = `${path}\n${size}\n${mtimeMs}`;
  let hash = known.get(key);
  if (hash === undefined) {
    hash = digest(path);
    known.set(key, hash);
    hash.catch(() => known.delete(key));
  }
  return hash;
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** One hash for several files: of `<sha256>  <file name>\n` for each, in name order, as `sha256sum * | sha256sum`. */
export async function sha256Files(paths: readonly string[]): Promise<string> {
  if (paths.length === 1) return sha256File(paths[0]!);
  const sorted = [...paths].sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
  const hash = createHash('sha256');
  for (const path of sorted) hash.update(`${await sha256File(path)}  ${basename(path)}\n`);
  return hash.digest('hex');
}
