import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FedtuneError } from '../errors.js';
import { syncFolder, writeError } from '../files.js';

async function writeBeside(path: string, content: string): Promise<string> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  return temporary;
}

/** Writes a file that nobody else may read (0600), whole or not at all. Throws RunError WRITE_FAILED. */
export async function writeSecret(path: string, content: string): Promise<void> {
  let temporary: string | undefined;
  try {
    temporary = await writeBeside(path, content);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, cause);
  }
}

/** The same, where there is no such file yet: false where there is, whoever wrote it meanwhile. Throws RunError WRITE_FAILED. */
export async function writeSecretOnce(path: string, content: string): Promise<boolean> {
  let temporary: string | undefined;
  try {
    temporary = await writeBeside(path, content);
    await link(temporary, path);
    await syncFolder(dirname(path));
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw writeError(path, cause);
  } finally {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => {});
  }
}

/** A file of JSON as `parse` takes it; undefined where there is none. Throws FedtuneError DAMAGED. */
export function readJson<T>(path: string, parse: (value: unknown) => T): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FedtuneError('UNREADABLE', `Cannot read ${path}: ${(cause as Error).message}.`, { cause });
  }
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    // Without the reason, which may quote a key.
    throw new FedtuneError(
      'DAMAGED',
      `${path} is torn, was altered, or is of another version of fedtune. Put it back.`,
      {
        cause: (cause as Error).name,
      },
    );
  }
}
