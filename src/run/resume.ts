import { diffConfig, dumpConfig } from '../config/dump.js';
import { absolutePaths } from '../config/localPaths.js';
import type { ConfigKey, RunConfig } from '../config/schema.js';
import { ConfigError, RunError } from '../errors.js';
import { startedIn } from './content.js';
import type { RunFolder, SavedRun } from './folder.js';

/** Keys that change nothing about the result, or (`kernels`) are checked by what they lead to. */
const FREE: readonly ConfigKey[] = [
  'runtime',
  'workers',
  'threads',
  'output_dir',
  'retries',
  'kernels',
  'samples',
  'samples_every',
];

function growthProblem(saved: RunConfig, wanted: RunConfig): string | undefined {
  if (wanted.num_rounds < saved.num_rounds) return 'it may grow, not shrink';
  if (saved.lr_scheduler !== 'constant' || saved.warmup_ratio > 0) {
    return `the learning rates of the rounds done depend on it (lr_scheduler ${saved.lr_scheduler}, warmup_ratio ${saved.warmup_ratio})`;
  }
  const isUnbalanced = saved.mutation !== 'fedmut-released' && (saved.beta_0 ?? 0) > 0;
  if (saved.mutation !== 'none' && isUnbalanced && saved.mutation_decay === null) {
    return 'mutation_decay depends on it; set that';
  }
  return undefined;
}

/**
 * Checks that a run may go on with this configuration. Workers, threads, retries and the folder are free, `num_rounds` may grow;
 * relative paths of `saved` count from `savedIn`, those of `wanted` from here. Throws ConfigError CONFIG_CHANGED that shows every
 * difference.
 */
export function checkSameConfig(saved: RunConfig, wanted: RunConfig, savedIn = process.cwd()): void {
  const changed = diffConfig(absolutePaths(saved, savedIn), absolutePaths(wanted, process.cwd())).map(({ key }) => key);
  const problems = diffConfig(saved, wanted).flatMap(({ key, before, after }) => {
    const isMoved = key === 'runtime' && (before === 'nats' || after === 'nats');
    if (isMoved) return [`  runtime: ${before} -> ${after} (the owners are others)`];
    if (FREE.includes(key) || !changed.includes(key)) return [];
    const why = key === 'num_rounds' ? growthProblem(saved, wanted) : '';
    if (why === undefined) return [];
    return [`  ${key}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}${why ? ` (${why})` : ''}`];
  });
  if (problems.length === 0) return;
  throw new ConfigError(
    `The run was started with another configuration and cannot go on with this one:\n${problems.join('\n')}\n` +
      'Resume it without these changes, or start a new run in another output_dir.',
    { code: 'CONFIG_CHANGED' },
  );
}

/** What the rounds were made with, as hashes; another set of kernels rounds otherwise. */
export type RunInputs = Pick<SavedRun, 'modelSha256' | 'dataSha256' | 'partitionSha256' | 'kernels'>;

/**
 * Throws RunError where model, data, partition or kernel set are not those that the saved rounds were made with. Another
 * kernel set goes through where the configuration names it.
 */
export function checkSameInputs(saved: SavedRun, now: RunInputs, wantedKernels: RunConfig['kernels']): void {
  const what = {
    modelSha256: 'the base model',
    dataSha256: 'the data',
    partitionSha256: 'partition.json',
    kernels: 'the kernel set',
  } as const;
  for (const [key, name] of Object.entries(what) as [keyof typeof what, string][]) {
    if (saved[key] === now[key] || (key === 'kernels' && wantedKernels !== 'auto')) continue;
    const shown = (value: string) => (key === 'kernels' ? value : `sha256 ${value.slice(0, 12)}...`);
    throw new RunError(
      'INPUT_CHANGED',
      `Expected ${name} that this run was started with (${shown(saved[key])}) but found ${shown(now[key])}. ` +
        (key === 'kernels'
          ? `It rounds otherwise. Take the same where this processor has it (--kernels ${saved.kernels}), or accept the other by its name (--kernels ${now.kernels}).`
          : 'Put it back, or start the run anew.'),
    );
  }
}

/** The last round of a run knows no next one; a run that grew does it again, with a next round to prepare for. */
async function stateFor(folder: RunFolder, newest: SavedRun, config: RunConfig): Promise<SavedRun> {
  const { round } = newest.loop;
  const ended = round > 0 && round === newest.config.num_rounds;
  if (!ended || config.num_rounds === round) return newest;
  const before = await folder.loadState(round - 1);
  if (before) return before;
  throw new RunError(
    'STATE_DAMAGED',
    `A run that grows does its last round again but the state before round ${round} is missing. Put it back, or start the run anew.`,
  );
}

/**
 * The state that a run goes on from, its folder brought back to it; undefined where the run was cut before its first.
 * Throws RunError STATE_DAMAGED, INPUT_CHANGED; ConfigError CONFIG_CHANGED.
 */
export async function resumeState(
  folder: RunFolder,
  inputs: RunInputs,
  config: RunConfig,
): Promise<SavedRun | undefined> {
  const newest = await folder.loadState();
  if (!newest) {
    await folder.dropEvents();
    return undefined;
  }
  checkSameConfig(newest.config, config, await startedIn(folder.dir));
  checkSameInputs(newest, inputs, config.kernels);
  await folder.checkFile('partition.json', newest.partitionSha256);
  const saved = await stateFor(folder, newest, config);
  await folder.checkEvents(saved.events);
  await folder.write('config.yaml', dumpConfig(config));
  await folder.dropStatesAfter(saved.loop.round);
  await folder.cutEvents();
  if (inputs.kernels !== saved.kernels) {
    folder.emit({ type: 'kernels', before: saved.kernels, after: inputs.kernels });
  }
  return saved;
}
