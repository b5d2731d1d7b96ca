import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { lock } from 'proper-lockfile';
import { FedtuneError } from '../../errors.js';
import { makeFolder, writeError } from '../../files.js';
import { hashFile } from '../../sha256.js';
import type { HubAccess } from './access.js';

/** What the hub says a file is: LFS files by sha256, small ones by git's hash. */
export interface Blob {
  readonly size: number;
  readonly sha256?: string;
  readonly sha1?: string;
}

interface DownloadRequest {
  /** Path in the repository. */
  readonly file: string;
  readonly url: string;
  readonly blob: Blob;
  /** Folder of the blobs. */
  readonly folder: string;
  readonly access: HubAccess;
}

const sizeOf = (path: string) =>
  stat(path).then(
    ({ size }) => size,
    () => undefined,
  );

async function hashOf(path: string, { sha256, size }: Blob): Promise<string> {
  if (sha256 !== undefined) return hashFile(path);
  // A git blob is hashed with its kind and size in front.
  return hashFile(path, createHash('sha1').update(`blob ${size}\0`));
}

/** A file that cannot be written is no trouble of the hub, and asking again helps nothing. */
function isOfDisk(cause: unknown): boolean {
  const { syscall } = cause as NodeJS.ErrnoException;
  return syscall === 'write' || syscall === 'open' || syscall === 'mkdir';
}

/** One request for what is missing of the file; throws where the connection breaks, stalls or brings too much. */
async function fetchRest(
  { file, url, blob, access }: DownloadRequest,
  partial: string,
  lost: AbortSignal,
): Promise<void> {
  const have = (await sizeOf(partial)) ?? 0;
  if (have === blob.size && have > 0) return;
  const range = have > 0 ? { headers: { Range: `bytes=${have}-` } } : {};
  const { response, watchdog } = await access.get(url, { ...range, signal: lost });
  try {
    // A server that ignores the range sends the whole file again.
    const goesOn = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${have}-`);
    let size = goesOn ? have : 0;
    const body = response.body as AsyncIterable<Uint8Array> | null;
    const checked = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of body ?? []) {
        watchdog.touch();
        size += chunk.length;
        if (size > blob.size) throw new Error(`more came than the ${blob.size} bytes that the hub announced`);
        access.onDownload({ file, bytes: size, totalBytes: blob.size });
        yield chunk;
      }
    };
    await pipeline(Readable.from(checked()), createWriteStream(partial, { flags: goesOn ? 'a' : 'w' }));
  } finally {
    watchdog.stop();
  }
}

/** Brings the whole of a file under its temporary name; what an earlier attempt left is gone on from. */
async function fetchWhole(request: DownloadRequest, partial: string, lost: AbortSignal): Promise<void> {
  const { blob, access, url } = request;
  let failure: unknown;
  for (let attempt = 1; attempt <= access.patience.attempts && !lost.aborted && !access.signal.aborted; attempt++) {
    try {
      await fetchRest(request, partial, lost);
      if ((await sizeOf(partial)) === blob.size) return;
      failure = new Error('the connection ended early');
    } catch (cause) {
      if (cause instanceof FedtuneError) throw cause;
      if (isOfDisk(cause)) throw writeError(partial, cause);
      failure = cause;
    }
    if (((await sizeOf(partial)) ?? 0) > blob.size) await rm(partial, { force: true });
    if (attempt < access.patience.attempts && !lost.aborted) {
      await sleep(access.waitAfter(attempt), undefined, { signal: access.signal });
    }
  }
  const state = `${(await sizeOf(partial)) ?? 0} of ${blob.size} bytes of ${url} came: ${reasonOf(failure)}`;
  throw access.error('HUB_UNREACHABLE', `${state}. Run the same command again to go on from there.`, failure);
}

/** fetch says "fetch failed" or "terminated" and why in its cause. */
export function reasonOf(failure: unknown): string {
  if (!(failure instanceof Error)) return String(failure);
  return failure.cause instanceof Error ? `${failure.message} (${failure.cause.message})` : failure.message;
}

async function fetchChecked(
  request: DownloadRequest,
  path: string,
  expected: string,
  lost: AbortSignal,
): Promise<void> {
  // A name of ours: other tools that share the cache must not append to it.
  const partial = `${path}.fedtune.incomplete`;
  const resumed = ((await sizeOf(partial)) ?? 0) > 0;
  await fetchWhole(request, partial, lost);
  const actual = await hashOf(partial, request.blob);
  if (actual === expected) return rename(partial, path);
  await rm(partial, { force: true });
  // What an earlier attempt left may have been at fault; once more, all of it.
  if (resumed) return fetchChecked(request, path, expected, lost);
  const message = `Expected hash ${expected} for ${request.url} but the download has ${actual}. Try again.`;
  throw request.access.error('HASH_MISMATCH', message);
}

/**
 * Downloads one file into the blobs of the cache, going on from what an earlier attempt left, and checks its size and hash
 * before it gets its name. Of processes that want the same file one downloads and the others wait. Returns its path.
 *
 * Throws HUB_ACCESS, HUB_NOT_FOUND, HUB_UNREACHABLE, HASH_MISMATCH; RunError WRITE_FAILED.
 */
export async function downloadBlob(request: DownloadRequest): Promise<string> {
  const { blob, access, url, folder } = request;
  const expected = blob.sha256 ?? blob.sha1 ?? '';
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(expected)) {
    throw access.error('HASH_MISMATCH', `The hub gives no usable hash for ${url}: "${expected.slice(0, 80)}".`);
  }
  const path = join(folder, expected);
  if ((await sizeOf(path)) === blob.size) return path;
  await makeFolder(folder);
  const lost = new AbortController();
  const release = await lock(path, {
    realpath: false,
    lockfilePath: `${path}.fedtune.lock`,
    stale: access.patience.stale,
    retries: { forever: true, factor: 1.5, minTimeout: 100, maxTimeout: 2000 },
    onCompromised: () => lost.abort(new Error('another process took the download over')),
  }).catch((cause: unknown) => {
    throw writeError(path, cause);
  });
  try {
    if ((await sizeOf(path)) !== blob.size) await fetchChecked(request, path, expected, lost.signal);
    return path;
  } catch (error) {
    if (!lost.signal.aborted) throw error;
  } finally {
    await release().catch(() => {});
  }
  return downloadBlob(request);
}

/** Makes a blob appear under its name in a snapshot; where links are not allowed (Windows), as a copy. */
export async function linkBlob(blob: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await symlink(relative(dirname(target), blob), target).catch(async (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') return;
    const copy = `${target}.${randomUUID()}.tmp`;
    await copyFile(blob, copy);
    await rename(copy, target);
  });
}
