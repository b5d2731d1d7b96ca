import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Adapter } from '../adapter/layout.js';
import type { RunConfig } from '../config/schema.js';
import type { RunMetrics } from '../contracts/metrics.js';
import { ConfigError, RunError } from '../errors.js';
import { readPeftAdapter } from '../export/index.js';
import { type BaseModel, loadModel } from '../model/index.js';
import { shown } from '../text.js';
import { adapterFolder } from './adapters.js';
import { configFromHere, runFile } from './content.js';
import { didYouMean, namesOf } from './ownerNames.js';

interface PartitionFile {
  readonly clients: readonly { readonly id: string; readonly folder: string }[];
}

function parsed<T>(text: string, path: string, pick: (json: never) => T): T {
  try {
    return pick(JSON.parse(text) as never);
  } catch (cause) {
    throw new RunError('STATE_DAMAGED', `${path} is torn or was altered. Put it back, or start the run anew.`, {
      cause,
    });
  }
}

/** What the shared adapter is called; no owner may have that name (`checkOwnerId`), but an earlier fedtune let one. */
const SHARED = 'global';

/** A finished run, opened for reading. */
export interface OpenedRun {
  readonly dir: string;
  readonly config: RunConfig;
  readonly model: BaseModel;
  /** Owner ids, sorted. */
  readonly clients: readonly string[];
  /** Absolute folder of the adapter of an owner or of `global` (the shared one), in PEFT's form. Throws ConfigError UNKNOWN_CLIENT. */
  folderOf(client: string): string;
  readAdapter(client: string): Promise<Adapter>;
}

/** The base that the adapters were trained on: of the hub by its commit, as a branch may have moved since. */
async function loadBase(dir: string, config: RunConfig): Promise<BaseModel> {
  const path = runFile(dir, 'metrics.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  // An unfinished run has no adapters that could be read.
  if (text === undefined) return loadModel(config.model, { revision: config.model_revision });
  const trained = parsed(text, path, ({ model: { sha256, revision } }: RunMetrics) => ({ sha256, revision }));
  const pinned = trained.revision !== undefined && config.model.startsWith('hf:');
  const model = await loadModel(pinned ? config.model.replace(/@[^/]*/, '') : config.model, {
    revision: pinned ? trained.revision! : config.model_revision,
  });
  if (trained.sha256 === model.sha256) return model;
  throw new RunError(
    'INPUT_CHANGED',
    `Expected the base model that this run was started with (sha256 ${trained.sha256.slice(0, 12)}...) but found ` +
      `${model.sha256.slice(0, 12)}... at ${model.path}. Put it back.`,
  );
}

/** Opens a run folder. Throws RunError NOT_A_RUN, INPUT_CHANGED, ModelError. */
export async function openRun(dir: string): Promise<OpenedRun> {
  const config = await configFromHere(dir);
  const path = runFile(dir, 'partition.json');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new RunError('NOT_A_RUN', `Expected ${path} but it cannot be read; the run did not get that far.`, { cause });
  });
  const clients = parsed(text, path, (json: PartitionFile) => json.clients.map(({ id, folder }) => ({ id, folder })));
  const model = await loadBase(dir, config);
  const folderOf = (client: string): string => {
    const owner = clients.find(({ id }) => id === client);
    if (client === SHARED && owner) {
      throw new ConfigError(
        `"${SHARED}" is the shared adapter, ${resolve(adapterFolder(dir, SHARED))}, but this run also has an owner of that name, ` +
          `whose adapter is ${resolve(adapterFolder(dir, owner.folder))}. Take it from there.`,
        { code: 'UNKNOWN_CLIENT' },
      );
    }
    const folder = client === SHARED ? SHARED : owner?.folder;
    if (folder !== undefined) return resolve(adapterFolder(dir, folder));
    const ids = clients.map(({ id }) => id);
    throw new ConfigError(
      `Expected "${SHARED}" (the shared adapter) or one of this run's owners (${namesOf(ids)}) but received "${shown(client)}".` +
        didYouMean(client, [SHARED, ...ids]),
      { code: 'UNKNOWN_CLIENT' },
    );
  };
  return {
    dir: resolve(dir),
    config,
    model,
    clients: clients.map(({ id }) => id),
    folderOf,
    readAdapter: (client) => readPeftAdapter(folderOf(client), model),
  };
}
