import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { absolutePaths } from '../config/localPaths.js';
import { readRunConfig } from '../config/ofRun.js';
import type { RunConfig } from '../config/schema.js';
import { RunError } from '../errors.js';
import { sha256 } from '../sha256.js';
import { StateStore } from '../store/index.js';

/** Version of the form of a run folder. */
export const FOLDER_VERSION = 3;
/** Says that a run wrote this folder. */
export const MARKER = 'run.json';

/** All else that a run puts into its folder, but for `state/`. */
export const CONTENT = [
  'config.yaml',
  'events.jsonl',
  'partition.json',
  'metrics.json',
  'evaluation.json',
  'samples.jsonl',
  'progress.json',
  'owners',
  'perfit.svg',
  'report.html',
  'adapters',
] as const;
/** What version 1 also put there. */
export const OLD_CONTENT = ['scores.jsonl'];

/** A file of a run folder. */
export type FileName = Exclude<(typeof CONTENT)[number], 'adapters' | 'owners'>;

export const runFile = (dir: string, name: FileName): string => join(dir, name);

/** What is in a folder; nothing where there is none. */
export const namesIn = (dir: string): Promise<string[]> => readdir(dir).catch(() => []);

/** Where the states of the server are. */
export const stateFolder = (dir: string): string => join(dir, 'state');

/** The marker of a run that is started in this folder. */
export const markerFrom = (startedIn: string): string =>
  `${JSON.stringify({ fedtune_run: FOLDER_VERSION, started_in: startedIn, sha256: sha256(startedIn) })}\n`;

interface Marker {
  readonly version: number;
  readonly startedIn?: string;
}

/** Undefined where it is missing, torn, altered or something else's. */
async function readMarker(dir: string): Promise<Marker | undefined> {
  try {
    const {
      fedtune_run: version,
      started_in: from,
      sha256: digest,
    } = JSON.parse(await readFile(join(dir, MARKER), 'utf8'));
    if (version === FOLDER_VERSION) return digest === sha256(from) ? { version, startedIn: from } : undefined;
    return typeof version === 'number' ? { version } : undefined;
  } catch {
    return undefined;
  }
}

/** What the marker says; undefined where it is missing, torn, altered or something else's. */
export const markedVersion = async (dir: string): Promise<number | undefined> => (await readMarker(dir))?.version;

/** The folder in which a run was started, where it is still there: relative paths of its configuration count from it. */
export async function startedIn(dir: string): Promise<string | undefined> {
  const from = (await readMarker(dir))?.startedIn;
  const found = from === undefined ? undefined : await stat(from).catch(() => undefined);
  return found?.isDirectory() ? from : undefined;
}

/** The configuration of a run with the paths in it as they are from here. Throws RunError NOT_A_RUN, ConfigError. */
export async function configFromHere(dir: string): Promise<RunConfig> {
  const [config, from] = [await readRunConfig(dir), await startedIn(dir)];
  return from === undefined || from === process.cwd() ? config : absolutePaths(config, from);
}

/** Whether a run wrote this folder, of this version or, as its states say, of version 1. */
async function isRunFolder(dir: string): Promise<boolean> {
  if ((await markedVersion(dir)) !== undefined) return true;
  return (await namesIn(dir)).includes('config.yaml') && StateStore.open(stateFolder(dir)).holdsVersion1();
}

/** Throws RunError EXISTS where files would be overwritten that no run has written. */
export async function refuseForeign(dir: string): Promise<void> {
  const names = await namesIn(dir);
  const foreign = [...CONTENT, ...OLD_CONTENT, MARKER].filter((name) => names.includes(name));
  if (foreign.length === 0 || (await isRunFolder(dir))) return;
  throw new RunError(
    'EXISTS',
    `Expected a new folder or that of a run but ${dir} holds ${foreign.join(', ')} and no ${MARKER} that a run wrote. ` +
      'Choose another --output-dir.',
  );
}

/** Throws RunError NOT_A_RUN, or STATE_VERSION where another version of fedtune wrote the folder. */
export async function requireRun(dir: string): Promise<void> {
  await stat(runFile(dir, 'config.yaml')).catch((cause: unknown) => {
    throw new RunError('NOT_A_RUN', `Expected a run folder with config.yaml at ${dir} but there is none.`, { cause });
  });
  StateStore.open(stateFolder(dir)).turns();
  const version = await markedVersion(dir);
  if (version === FOLDER_VERSION) return;
  if (version === undefined) {
    throw new RunError(
      'NOT_A_RUN',
      `Expected a run folder at ${dir} but ${join(dir, MARKER)}, which a run writes, is missing or was altered. ` +
        'Put it back, or choose the folder of a run.',
    );
  }
  throw new RunError(
    'STATE_VERSION',
    `${dir} is a run folder of version ${version} but this fedtune reads version ${FOLDER_VERSION}. ` +
      'Go on with the fedtune that wrote it, or start the run anew (--overwrite replaces it).',
  );
}
