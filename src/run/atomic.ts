import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RunError } from '../errors.js';

/** The error of a file that cannot be written: full disk, read-only folder, missing rights. */
export function writeError(path: string, cause: unknown): RunError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const reason =
    {
      ENOSPC: 'the disk is full',
      EDQUOT: 'the disk quota is used up',
      EROFS: 'the file system is read-only',
      EACCES: 'the rights to write there are missing',
      EPERM: 'the rights to write there are missing',
    }[code] ?? (cause as Error).message;
  return new RunError(
    'WRITE_FAILED',
    `Cannot write ${path}: ${reason}. What was there before is kept. Make room or choose another output_dir, then resume.`,
    {
      cause,
    },
  );
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

/** Writes to a temporary name, syncs, renames: the file is the old one or the new one, whenever the power goes. */
export async function writeAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, cause);
  }
}
