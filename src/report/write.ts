import { join } from 'node:path';
import { RunError } from '../errors.js';
import { makeFolder, writeAtomic } from '../files.js';
import { reportHtml } from './page/index.js';
import type { RunRecord } from './record.js';
import { eventFile } from './tensorboard/eventFile.js';
import { scalarsOf } from './tensorboard/scalars.js';

/**
 * Writes report.html from what its run folder says; returns its path. `temporary` is for a process that does not hold the
 * folder's lock: the run may be writing its report too.
 */
export async function writeReport(dir: string, record: RunRecord, temporary?: string): Promise<string> {
  const path = join(dir, 'report.html');
  await writeAtomic(path, reportHtml(record), temporary === undefined ? {} : { temporary });
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
