import { join } from 'node:path';
import { z } from 'zod';
import type { SampleAnswer } from '../contracts/samples.js';
import { which } from './events.js';
import { forEachLine, readJson } from './jsonLines.js';

const schema = z.object({
  round: z.number(),
  owner: z.string().optional(),
  which,
  prompt: z.string(),
  answer: z.string(),
});

/**
 * samples.jsonl, then that of each owner that is here, in the order in which they were written; a round that was done again has the
 * answers of the last time.
 */
export async function readSamples(
  dir: string,
  owners: readonly { readonly folder: string }[],
): Promise<SampleAnswer[]> {
  const answers = new Map<string, SampleAnswer>();
  for (const file of ['samples.jsonl', ...owners.map(({ folder }) => join('owners', folder, 'samples.jsonl'))]) {
    await forEachLine(join(dir, file), (line, i) => {
      const one = readJson(`line ${i} of ${file}`, line, schema) as SampleAnswer;
      answers.set(JSON.stringify([one.round, one.owner ?? null, one.prompt, one.owner ? '' : one.which]), one);
    });
  }
  return [...answers.values()];
}
