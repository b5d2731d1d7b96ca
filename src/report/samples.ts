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

/** samples.jsonl, in the order in which it was written; a round that was done again has the answers of the last time. */
export async function readSamples(dir: string): Promise<SampleAnswer[]> {
  const answers = new Map<string, SampleAnswer>();
  await forEachLine(join(dir, 'samples.jsonl'), (line, i) => {
    const one = readJson(`line ${i} of samples.jsonl`, line, schema) as SampleAnswer;
    answers.set(JSON.stringify([one.round, one.owner ?? null, one.prompt, one.owner ? '' : one.which]), one);
  });
  return [...answers.values()];
}
