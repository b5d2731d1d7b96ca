import { join } from 'node:path';
import type { EvalSplit, Which } from '../contracts/evaluation.js';
import type { ExampleScores } from '../contracts/exampleScores.js';
import { makeFolder, writeAtomic } from '../files.js';
import type { FinishedRun } from '../server/finish.js';
import type { PreparedRun } from './prepare.js';

/** Writes `owners/<folder>/scores.jsonl` for every owner: one line an example, under all adapters that were scored on it. */
export async function writeScores(dir: string, prepared: PreparedRun, finished: FinishedRun): Promise<void> {
  for (const client of prepared.clients) {
    const lines = (['valid', 'test'] as const).flatMap((split: EvalSplit) => {
      const scored = finished.scores.filter((score) => score.client === client.id && score.split === split);
      return client[split].map((index, i): ExampleScores => {
        const nll = Object.fromEntries(scored.map(({ which, outcome }) => [which, outcome.nll[i]!]));
        return {
          id: prepared.tokenized[index]!.id,
          split,
          targets: scored[0]?.outcome.targets[i] ?? 0,
          nll: nll as Partial<Record<Which, number>>,
        };
      });
    });
    const folder = join(dir, 'owners', prepared.folders.get(client.id)!);
    await makeFolder(folder);
    await writeAtomic(join(folder, 'scores.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
}
