import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { randomStream } from '../../../src/random.js';
import { eventLines, runFolder } from './runFolder.js';

const random = randomStream(0, 'large report');
const score = (ppl: number) => ({ nll: Math.log(ppl), ppl, tokens: 1000 });
const scores = () => ({
  base: score(30 + random()),
  local: score(12 + random()),
  global: score(9 + random()),
  personalized: score(8 + random()),
});

/** Every owner is asked in every round, most answer, and all are scored after each. */
function roundEvents(ids: readonly string[], round: number): string {
  const here = ids.map(() => random() < 0.8);
  return eventLines(
    ...ids.map((client) => ({ type: 'client', round, client, losses: Array.from({ length: 10 }, random), seconds: 1 })),
    {
      type: 'round',
      round,
      clients: ids.filter((_, i) => here[i]),
      dropped: ids.filter((_, i) => !here[i]),
      loss: random(),
      bytes_up: 1e6,
      bytes_down: 2e6,
      metrics: {
        aggregationError: random(),
        mutation: { mutants: { a: { lambda: random() }, b: { lambda: random() } } },
      },
    },
    {
      type: 'evaluation',
      round,
      split: 'valid',
      macro: scores(),
      weighted: scores(),
      clients: Object.fromEntries(ids.map((id) => [id, scores()])),
    },
  );
}

/** A finished run of so many owners and rounds in a folder that goes with the test. */
export async function largeRun(owners: number, rounds: number): Promise<string> {
  const ids = Array.from({ length: owners }, (_, i) => `owner-${i}`);
  const clients = ids.map((id) => ({
    id,
    num_train: 60,
    num_val: 20,
    num_test: 60,
    ...scores(),
    take_home: { which: 'global', ...score(9) },
  }));
  const counts = { train: 60, valid: 0, test: 60, categories: {}, dropped: 0, cut: 0 };
  const examples = (split: string) => Array.from({ length: 60 }, (_, i) => `${split}-${i}`);
  const files: Record<string, string> = {
    'metrics.json': JSON.stringify({
      rounds,
      clients,
      model: { name: 'm', sha256: '0' },
      macro: { ...scores(), take_home: score(9) },
      weighted: { ...scores(), take_home: score(9) },
      tokens: { train: 1, search: 0, eval: 1 },
      timing: { seconds: 1, tokens_per_second: 1, peak_rss_bytes: 1, kernels: 'avx2', workers: 1, threads: 1 },
    }),
    'partition.json': JSON.stringify({
      kind: 'iid',
      clients: ids.map((id) => ({ id, folder: id, ...counts })),
    }),
  };
  for (const id of ids)
    files[`owners/${id}/scores.jsonl`] = examples('test')
      .map(
        (name) =>
          `${JSON.stringify({ id: name, split: 'test', targets: 20, nll: { base: 60 + random(), local: 50, global: 45 + random() } })}\n`,
      )
      .join('');
  const dir = await runFolder(files, { num_rounds: rounds });
  const file = await open(join(dir, 'events.jsonl'), 'w');
  await file.write(eventLines({ type: 'start', kernels: 'avx2', clients: ids.map((id) => ({ id, numTrain: 60 })) }));
  for (let round = 1; round <= rounds; round++) await file.write(roundEvents(ids, round));
  await file.write(eventLines({ type: 'final', macro: scores(), take_home: {} }));
  await file.close();
  return dir;
}
