import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Adapter } from '../adapter/layout.js';
import { ConfigError } from '../errors.js';
import { readGgufAdapter, readPeftAdapter } from '../export/index.js';
import type { BaseModel } from '../model/index.js';
import { type OpenedRun, openRun } from '../run/openRun.js';

/** Something that is scored: the bare base (null) or an adapter on it, with the name that tables have for it. */
export interface Subject {
  readonly name: string;
  readonly adapter: Adapter | null;
}

/** Where an adapter is, by what was said on the command line. */
export type AdapterSpec =
  | { readonly kind: 'peft' | 'gguf'; readonly name: string; readonly path: string }
  /** `client` undefined: every owner's, and the shared one. */
  | { readonly kind: 'run'; readonly name: string; readonly run: string; readonly client: string | undefined };

const kindOf = async (path: string): Promise<'file' | 'folder' | undefined> => {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ? 'folder' : found?.isFile() ? 'file' : undefined;
};

/** Whether a run put its configuration into this folder. */
export const isRun = async (path: string): Promise<boolean> =>
  (await kindOf(join(path, 'config.yaml'))) === 'file' && (await kindOf(join(path, 'partition.json'))) === 'file';

/** `RUN:OWNER`, where RUN is a run folder: the shortest that is one. */
async function ownerOfRun(spec: string): Promise<{ run: string; client: string } | undefined> {
  for (let at = spec.indexOf(':'); at > 0; at = spec.indexOf(':', at + 1)) {
    const run = spec.slice(0, at);
    if (await isRun(run)) return { run, client: spec.slice(at + 1) };
  }
  return undefined;
}

/**
 * What `--adapter` means: a PEFT folder, a GGUF LoRA, `RUN:OWNER` (`RUN:global` is the shared one), or a run folder for all of
 * its adapters. Throws ConfigError UNKNOWN_ADAPTER.
 */
export async function parseAdapterSpec(spec: string): Promise<AdapterSpec> {
  const kind = await kindOf(spec);
  if (kind === 'folder' && (await isRun(spec))) return { kind: 'run', name: spec, run: spec, client: undefined };
  if (kind === 'folder') return { kind: 'peft', name: spec, path: spec };
  if (kind === 'file') return { kind: 'gguf', name: spec, path: spec };
  const owner = await ownerOfRun(spec);
  if (owner) return { kind: 'run', name: spec, ...owner };
  throw new ConfigError(
    `Expected an adapter at "${spec}" but there is none. Name a PEFT folder, a GGUF LoRA, a run folder, or RUN:OWNER.`,
    { code: 'UNKNOWN_ADAPTER' },
  );
}

/** The runs that adapters are of, each opened once. Throws RunError, ModelError. */
export async function openRuns(specs: readonly AdapterSpec[]): Promise<ReadonlyMap<string, OpenedRun>> {
  const runs = new Map<string, OpenedRun>();
  for (const spec of specs) {
    if (spec.kind === 'run' && !runs.has(spec.run)) runs.set(spec.run, await openRun(spec.run));
  }
  return runs;
}

async function readRun(
  { name, run, client }: Extract<AdapterSpec, { kind: 'run' }>,
  opened: OpenedRun,
  model: BaseModel,
): Promise<Subject[]> {
  const read = async (id: string): Promise<Adapter> => readPeftAdapter(opened.folderOf(id), model);
  if (client !== undefined) return [{ name, adapter: await read(client) }];
  const shared = (await kindOf(opened.folderOf('global'))) === 'folder' ? ['global'] : [];
  const subjects: Subject[] = [];
  // Owners on machines of their own have theirs there.
  const owners = opened.config.runtime === 'nats' ? [] : opened.clients;
  for (const id of [...shared, ...owners]) subjects.push({ name: `${run}:${id}`, adapter: await read(id) });
  return subjects;
}

/** Reads adapters for a base. Throws AdapterError where one does not fit it, ConfigError UNKNOWN_CLIENT. */
export async function readSubjects(
  specs: readonly AdapterSpec[],
  runs: ReadonlyMap<string, OpenedRun>,
  model: BaseModel,
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const spec of specs) {
    if (spec.kind === 'run') {
      for (const subject of await readRun(spec, runs.get(spec.run)!, model)) subjects.push(subject);
    } else if (spec.kind === 'peft')
      subjects.push({ name: spec.name, adapter: await readPeftAdapter(spec.path, model) });
    else subjects.push({ name: spec.name, adapter: await readGgufAdapter(spec.path, model) });
  }
  return subjects;
}

/** What adapters of one run are called where nobody could mean another: the owner, or the last part of a path. */
export function shortNames(names: readonly string[]): string[] {
  const short = names.map((name) => basename(name.slice(name.lastIndexOf(':') + 1)) || name);
  return names.map((name, i) => (short.indexOf(short[i]!) === short.lastIndexOf(short[i]!) ? short[i]! : name));
}
