import { join } from 'node:path';
import { z } from 'zod';
import { EVAL_SPLITS } from '../contracts/evaluation.js';
import type { ExampleScores } from '../contracts/exampleScores.js';
import { number, which } from './events.js';
import { forEachLine, readJson } from './jsonLines.js';
import type { TestExample } from './paired.js';

const lineSchema = z.object({
  id: z.string(),
  split: z.enum(EVAL_SPLITS),
  targets: z.number(),
  nll: z.partialRecord(which, number),
});

/** A test example under the adapters of its owner, with its id. */
type NamedExample = TestExample & Pick<ExampleScores, 'id'>;

/** Scores of single test examples, and the owners that left none. */
export interface ReadScores {
  readonly owners: readonly { readonly client: string; readonly examples: readonly NamedExample[] }[];
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
  const owners: ReadScores['owners'][number][] = [];
  const missing: string[] = [];
  for (const { id: client, folder } of clients) {
    const examples: NamedExample[] = [];
    const name = `owners/${folder}/scores.jsonl`;
    const read =
      folder === undefined
        ? undefined
        : await forEachLine(join(dir, 'owners', folder, 'scores.jsonl'), (line, i) => {
            const { id, split, targets, nll } = readJson(`line ${i} of ${name}`, line, lineSchema);
            if (split === 'test') examples.push({ id, targets, nll });
          });
    if (read) owners.push({ client, examples });
    else missing.push(client);
  }
  return { owners, missing };
}
