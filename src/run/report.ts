import { readFile } from 'node:fs/promises';
import { diffConfig } from '../config/dump.js';
import { parseConfig } from '../config/parse.js';
import { writeAtomic } from '../files.js';
import { reportHtml } from '../report/page/index.js';
import { makeRecord, type RunRecord } from '../report/record.js';
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
