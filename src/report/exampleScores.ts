import { join } from 'node:path';
import { z } from 'zod';
import { EVAL_SPLITS } from '../contracts/evaluation.js';
import { number, which } from './events.js';
import { forEachLine, readJson } from './jsonLines.js';
import type { OwnerScores, TestExample } from './paired.js';

const lineSchema = z.object({
  id: z.string(),
  split: z.enum(EVAL_SPLITS),
  targets: z.number(),
  nll: z.partialRecord(which, number),
});

/** Scores of single test examples, and the owners that left none. */
export interface ReadScores {
  readonly owners: readonly OwnerScores[];
  readonly missing: readonly string[];
}

/**
 * The scores that the owners of a simulation left in the run folder, in `owners/<folder>/scores.jsonl`. An owner that runs
 * elsewhere keeps them. Throws RunError DAMAGED.
 */
export async function readExampleScores(
  dir: string,
  clients: readonly { readonly id: string; readonly folder?: string | undefined }[],
): Promise<ReadScores> {
  const owners: OwnerScores[] = [];
  const missing: string[] = [];
  for (const { id: client, folder } of clients) {
    const examples: TestExample[] = [];
    const name = `owners/${folder}/scores.jsonl`;
    const read =
      folder === undefined
        ? undefined
        : await forEachLine(join(dir, 'owners', folder, 'scores.jsonl'), (line, i) => {
            const { split, targets, nll } = readJson(`line ${i} of ${name}`, line, lineSchema);
            if (split === 'test') examples.push({ targets, nll });
          });
    if (read) owners.push({ client, examples });
    else missing.push(client);
  }
  return { owners, missing };
}
