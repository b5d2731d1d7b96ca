import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunError } from '../errors.js';
import { parseRunFile } from './load.js';
import { parseConfig } from './parse.js';
import type { RunConfig } from './schema.js';

/** The configuration that the run in a folder was started with. Throws RunError NOT_A_RUN, ConfigError. */
export async function readRunConfig(dir: string): Promise<RunConfig> {
  const path = join(dir, 'config.yaml');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new RunError('NOT_A_RUN', `Expected a run folder with config.yaml at ${dir} but there is none.`, { cause });
  });
  return parseConfig(parseRunFile(text, path), path);
}
