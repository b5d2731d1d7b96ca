import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { compactAdapter } from '../adapter/components.js';
import type { Adapter } from '../adapter/layout.js';
import { writePeftAdapter } from '../export/index.js';
import { syncFolder, writeError } from '../files.js';
import type { FinishedRun } from '../server/finish.js';
import type { PreparedRun } from './prepare.js';

/** Folder of an adapter of a run: that of a client (by its folder name) or `global`. */
export function adapterFolder(dir: string, name: string): string {
  return join(dir, 'adapters', name);
}

/** A run folder, and who throws where it is another run's by now. */
export interface RunPlace {
  readonly dir: string;
  requireOwnership(): void;
}

/**
 * Writes adapters/<client>/ (what each owner takes home) and adapters/global/ in PEFT's form, first beside the final
 * place: adapters/ is complete or not there. An owner whose best is the base gets the fresh adapter, which changes nothing.
 */
export async function writeAdapters(run: RunPlace, prepared: PreparedRun, finished: FinishedRun): Promise<void> {
  const { dir } = run;
  const { config, model, layout, initial } = prepared;
  const options = { loraDropout: config.lora_dropout };
  const fresh: Adapter = { layout, values: initial, mask: null };
  const temporary = join(dir, 'adapters.tmp');
  const final = join(dir, 'adapters');
  run.requireOwnership();
  try {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    for (const { client, adapter } of finished.clients) {
      // Whole rank components that a mask prunes are left out: `prune: rank` gives a plain adapter of the client's rank.
      const own = compactAdapter(adapter ?? fresh);
      await writePeftAdapter(join(temporary, prepared.folders.get(client.id)!), own, model, options);
    }
    if (finished.global) await writePeftAdapter(join(temporary, 'global'), finished.global, model, options);
    await syncFolder(temporary);
    run.requireOwnership();
    // metrics.json goes first and comes last: where it is, it belongs to the adapters beside it.
    await rm(join(dir, 'metrics.json'), { force: true });
    await rm(final, { recursive: true, force: true });
    await rename(temporary, final);
    await syncFolder(dir);
  } catch (cause) {
    // Not where it may be another run's by now.
    const tidyUp = async () => {
      run.requireOwnership();
      await rm(temporary, { recursive: true, force: true });
    };
    await tidyUp().catch(() => {});
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw writeError(final, cause);
  }
}
