import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writePeftAdapter } from '../export/index.js';
import { syncFolder, writeError } from '../files.js';
import type { FinishedRun } from '../server/finish.js';
import type { RunFolder } from './folder.js';
import { takeHomesOf } from './owners.js';
import type { Prepared } from './prepare.js';

/** Folder of the merged adapter, which no owner's may be called. */
export const GLOBAL_FOLDER = 'global';

/** Folder of an adapter of a run: that of a client (by its folder name) or {@link GLOBAL_FOLDER}. */
export function adapterFolder(dir: string, name: string): string {
  return join(dir, 'adapters', name);
}

/** Makes room beside adapters/ for what owners leave while `work` goes on. Throws RunError WRITE_FAILED, and what `work` throws. */
export async function withTakeHomes<T>(folder: RunFolder, work: () => Promise<T>): Promise<T> {
  const temporary = takeHomesOf(folder.dir);
  const remove = () => rm(temporary, { recursive: true, force: true });
  folder.requireOwnership();
  try {
    await remove();
    await mkdir(temporary, { recursive: true });
  } catch (cause) {
    throw writeError(temporary, cause);
  }
  try {
    return await work();
  } catch (error) {
    await remove().catch(() => {});
    throw error;
  }
}

/**
 * Puts what the owners left, with adapters/global/ in PEFT's form, in the place of adapters/: it is complete or not there.
 * Throws RunError WRITE_FAILED, LOCKED.
 */
export async function publishAdapters(
  folder: RunFolder,
  { config, model, method }: Prepared,
  finished: FinishedRun,
): Promise<void> {
  const { dir } = folder;
  const temporary = takeHomesOf(dir);
  const final = join(dir, 'adapters');
  try {
    // PerFIT's server holds the union of all architectures, which is nobody's adapter.
    if (finished.global && method.capabilities.gives.includes('global')) {
      await writePeftAdapter(join(temporary, GLOBAL_FOLDER), finished.global, model, {
        loraDropout: config.lora_dropout,
      });
    }
    await syncFolder(temporary);
    folder.requireOwnership();
    // metrics.json goes first and comes last: where it is, it belongs to the adapters beside it.
    await rm(join(dir, 'metrics.json'), { force: true });
    await rm(final, { recursive: true, force: true });
    await rename(temporary, final);
    await syncFolder(dir);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw writeError(final, cause);
  }
}
