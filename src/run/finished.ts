import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diffConfig } from '../config/dump.js';
import { absolutePaths } from '../config/localPaths.js';
import type { ConfigKey, RunConfig } from '../config/schema.js';
import type { RunMetrics } from '../contracts/metrics.js';
import { readFinished } from '../report/record.js';
import { configFromHere, requireRun, startedIn } from './content.js';
import { RunFolder } from './folder.js';
import { checkSameConfig } from './resume.js';

/** Keys that leave what a finished run has as it is. */
const WITHOUT_EFFECT: readonly ConfigKey[] = ['workers', 'threads', 'output_dir', 'retries'];

/** Whether report.html, which a run writes last, is not one of before its end. */
async function isReported(dir: string): Promise<boolean> {
  const times = ['metrics.json', 'report.html'].map(async (name) => (await stat(join(dir, name))).mtimeMs);
  const [end, reported] = await Promise.all(times).catch(() => [1, 0]);
  return reported! >= end!;
}

/** Whether the last state is that of the last round. Throws as a resume does where state, events or partition were altered. */
async function isWhole(dir: string, rounds: number): Promise<boolean> {
  const folder = await RunFolder.open(dir);
  try {
    const newest = await folder.loadState();
    if (newest?.loop.round !== rounds) return false;
    checkSameConfig(newest.config, await configFromHere(dir), await startedIn(dir));
    await folder.checkFile('partition.json', newest.partitionSha256);
    await folder.checkEvents(newest.events);
    return true;
  } finally {
    await folder.close();
  }
}

/**
 * The scores of a run that has nothing left to do under this configuration: it is finished, its adapters and report are there, and no more
 * rounds or answers are asked for. Undefined of every other. Looks at the run folder alone, not at model or data. Throws RunError NOT_A_RUN,
 * STATE_VERSION, LOCKED, STATE_DAMAGED; ConfigError CONFIG_CHANGED.
 */
export async function finishedAs(dir: string, wanted: RunConfig): Promise<RunMetrics | undefined> {
  await requireRun(dir);
  const saved = await configFromHere(dir);
  const changed = diffConfig(absolutePaths(saved, process.cwd()), absolutePaths(wanted, process.cwd()));
  if (changed.some(({ key }) => !WITHOUT_EFFECT.includes(key))) return undefined;
  if (!existsSync(join(dir, 'adapters')) || !(await isReported(dir))) return undefined;
  // What is damaged is told of by those who go on with it.
  const metrics = await readFinished(dir).catch(() => undefined);
  return metrics && (await isWhole(dir, metrics.rounds)) ? metrics : undefined;
}
