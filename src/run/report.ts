import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diffConfig } from '../config/dump.js';
import { parseConfig } from '../config/parse.js';
import { RunError } from '../errors.js';
import { makeFolder, writeAtomic } from '../files.js';
import { reportHtml } from '../report/page/index.js';
import { makeRecord, type RunRecord } from '../report/record.js';
import { eventFile } from '../report/tensorboard/eventFile.js';
import { scalarsOf } from '../report/tensorboard/scalars.js';
import { readRunConfig, runFile } from './folder.js';

/** What a run folder says about its run, finished or not. Throws RunError NOT_A_RUN, DAMAGED; ConfigError. */
export async function readRecord(dir: string): Promise<RunRecord> {
  const config = await readRunConfig(dir);
  const changed = diffConfig(parseConfig({}), config).map(({ key }) => key);
  const read = async (name: Parameters<typeof runFile>[1]) => {
    try {
      return await readFile(runFile(dir, name), 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw cause;
    }
  };
  return makeRecord(config, changed, {
    events: await read('events.jsonl'),
    metrics: await read('metrics.json'),
    partition: await read('partition.json'),
    scores: await read('scores.jsonl'),
    picture: await read('perfit.svg'),
  });
}

/**
 * Writes report.html from what its run folder says; returns its path. `temporary` is for a process that does not hold the
 * folder's lock: the run may be writing its report too.
 */
export async function writeReport(dir: string, record: RunRecord, temporary?: string): Promise<string> {
  const path = runFile(dir, 'report.html');
  await writeAtomic(path, reportHtml(record), temporary);
  return path;
}

/**
 * Writes what TensorBoard can draw of a run into a folder; returns the file, which is the same for the same run. Throws
 * RunError NOT_STARTED.
 */
export async function writeTensorBoard(dir: string, record: RunRecord): Promise<string> {
  const start = record.events.start[0];
  if (!start)
    throw new RunError('NOT_STARTED', 'Expected a run with events but this one has not begun yet. Try later.');
  const started = Date.parse(start.time) / 1000;
  await makeFolder(dir);
  const path = join(dir, `events.out.tfevents.${Math.floor(started)}.fedtune`);
  await writeAtomic(path, eventFile(started, scalarsOf(record)));
  return path;
}
