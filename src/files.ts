import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { RunError } from './errors.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  // What Node says of a folder to be made, with those above it, on a read-only file system.
  ENOENT: 'a folder above it cannot be made, or the file system is read-only',
  EACCES: 'the rights to write there are missing',
  EPERM: 'the rights to write there are missing',
};

/** The error of a file that cannot be written: full disk, read-only folder, missing rights. */
export function writeError(path: string, cause: unknown): RunError {
  const reason = REASONS[(cause as NodeJS.ErrnoException).code ?? ''] ?? (cause as Error).message;
  return new RunError(
    'WRITE_FAILED',
    `Cannot write ${path}: ${reason}. What was there before is kept. ` +
      'Make room or choose another folder; a run that was begun goes on with --resume.',
    { cause },
  );
}

/**
 * The uppermost folder of a path that is not there. It is made by itself, first: where a file system answers by ENOENT to a folder that it
 * does not want (procfs), Node's mkdir with `recursive` would try for ever.
 */
function firstMissing(path: string): string | undefined {
  let missing: string | undefined;
  for (let at = resolve(path); !existsSync(at) && at !== dirname(at); at = dirname(at)) missing = at;
  return missing;
}

/** Somebody else was quicker. */
function unlessThere(error: unknown): false {
  if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
  throw error;
}

/** Makes a folder and those above it; says which was the first that was not there. Throws RunError WRITE_FAILED. */
export async function makeFolder(path: string): Promise<string | undefined> {
  const first = firstMissing(path);
  try {
    const made = first !== undefined && (await mkdir(first).then(() => true, unlessThere));
    const below = await mkdir(path, { recursive: true });
    return made ? first : below;
  } catch (cause) {
    throw writeError(path, cause);
  }
}

/** `makeFolder` for code that may not wait (worker threads). Throws RunError WRITE_FAILED. */
export function makeFolderSync(path: string): void {
  const first = firstMissing(path);
  try {
    if (first !== undefined) {
      try {
        mkdirSync(first);
      } catch (error) {
        unlessThere(error);
      }
    }
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    throw writeError(path, cause);
  }
}

/** Makes a rename in this folder durable; where folders cannot be synced (Windows) the file itself was. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  try {
    await folder?.sync().catch(() => {});
  } finally {
    await folder?.close();
  }
}

/** `syncFolder` for code that may not wait. */
export function syncFolderSync(path: string): void {
  let folder: number | undefined;
  try {
    folder = openSync(path, 'r');
    fsyncSync(folder);
  } catch {
    // As in `syncFolder`.
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

/**
 * Writes a file under a temporary name beside it, syncs, calls `check` with that name and renames: at `path` there is the old
 * file or all of the new one, whenever the power goes. The temporary file goes when anything throws. Pieces of `content` may be
 * made while it is written.
 *
 * Throws RunError WRITE_FAILED, and what `content` and `check` throw.
 */
export async function writeAtomic(
  path: string,
  content: string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  options: {
    readonly check?: (temporary: string) => Promise<void>;
    /** @default `path` with `.tmp` behind it */
    readonly temporary?: string;
  } = {},
): Promise<void> {
  const { check, temporary = `${path}.tmp` } = options;
  try {
    const file = await open(temporary, 'w');
    try {
      // Not `file.write`, which takes less than all where the disk fills up, and says so by a number alone.
      await writeFile(file, content);
      await file.sync();
    } finally {
      await file.close();
    }
    await check?.(temporary);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw writeError(path, error);
  }
}

/** Characters that are written at once. */
const PIECE = 1 << 16;

/** Lines in larger pieces. */
export function* inPieces(lines: Iterable<string>): Generator<string> {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < PIECE) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}

/**
 * `writeAtomic` in steps, without waiting, but for the sync of the folder: whoever writes many files does that once.
 * `check` is called before the rename.
 *
 * Throws RunError WRITE_FAILED, and what `write` and `check` throw.
 */
export function* writeFileInSteps(
  path: string,
  write: (fd: number) => Iterable<void>,
  check: () => void = () => {},
): Generator<void, void> {
  const temporary = `${path}.tmp`;
  try {
    const fd = openSync(temporary, 'w');
    try {
      yield* write(fd);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    check();
    renameSync(temporary, path);
  } catch (error) {
    removeQuietly(temporary);
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw writeError(path, error);
  }
}

/** Writes all of these bytes to an open file, by default where it stands. */
export function writeAllSync(fd: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position === undefined ? undefined : position + done);
  }
}

/** Removes what a failed step left behind; the error of that step is the one to tell of. */
export function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}
