import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
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

/** Makes a folder and those above it. Throws RunError WRITE_FAILED. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((cause: unknown) => {
    throw writeError(path, cause);
  });
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

/**
 * Writes a file under a temporary name beside it, syncs, calls `check` with that name and renames: at `path` there is the old
 * file or all of the new one, whenever the power goes. The temporary file goes when anything throws.
 *
 * Throws RunError WRITE_FAILED, and what `write` and `check` throw.
 */
export async function writeFileAtomically(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  check: (temporary: string) => Promise<void> = async () => {},
  temporary = `${path}.tmp`,
): Promise<void> {
  try {
    const file = await open(temporary, 'w');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await check(temporary);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw writeError(path, error);
  }
}

/** `writeFileAtomically` with the content at hand. */
export function writeAtomic(path: string, content: string | Uint8Array, temporary?: string): Promise<void> {
  return writeFileAtomically(path, (file) => file.writeFile(content), undefined, temporary);
}
