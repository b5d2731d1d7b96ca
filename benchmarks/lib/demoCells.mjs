import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, library } from './paths.mjs';

/** Optimizer steps of an owner in every run: rounds of federated ones with the fine-tuning that follows. */
const ROUNDS = 19;
const EACH = 6;
const TOTAL = (ROUNDS + 1) * EACH;
/** What training alone gets more, as steps, for what PerFIT's search costs an owner: 5 at most, scoring on up to 38 examples. */
const SEARCH = 8;

export const STEPS = { total: TOTAL, search: SEARCH };

const SHARED = {
  batch_size: 8,
  eval_every: 0,
  merge_weights: 'uniform',
  take_home: 'best_on_validation',
};
const federated = (settings) => ({ num_rounds: ROUNDS, local_steps: EACH, finetune_steps: EACH, ...settings });

/** The runs that the rows of the table come from. */
const RUNS = {
  local: { method: 'local', num_rounds: 1, local_steps: TOTAL + SEARCH },
  'local, half': { method: 'local', num_rounds: 1, local_steps: (TOTAL + SEARCH) / 2 },
  fedavg: federated({ method: 'fedavg' }),
  perfit: federated({ method: 'perfit' }),
  'perfit+fedqp': federated({ method: 'perfit', mutation: 'fedqp', alpha: 0.5 }),
};

/** Which examples need codes that only other owners train on, by their ids. */
async function sharedById() {
  const { loadExamples } = await library('data/index.js');
  const { examples } = await loadExamples('embedded', { labelColumn: 'shared' });
  return new Map(examples.map(({ id, label }) => [id, label === 'true']));
}

/** Sums of one owner: `{which: {valid, own, shared}}`, each `[nll, tokens]`; `own` and `shared` are halves of the test. */
function sums(examples, shared) {
  const byWhich = {};
  for (const { id, split, targets, nll } of examples) {
    const slice = split === 'valid' ? 'valid' : shared.get(id) ? 'shared' : 'own';
    for (const [which, value] of Object.entries(nll)) {
      byWhich[which] ??= {};
      const [sum, tokens] = byWhich[which][slice] ?? [0, 0];
      byWhich[which][slice] = [sum + value, tokens + targets];
    }
  }
  return byWhich;
}

/** Trains one run and returns its scores by owner, with what each takes home. */
export async function runCell({ run, partition, rate, seed, workers }) {
  const { parseConfig } = await library('config/parse.js');
  const { runFederation } = await library('run/runFederation.js');
  const dir = join(CACHE, `demo-${process.pid}`);
  const config = parseConfig({
    ...SHARED,
    ...RUNS[run],
    partition,
    learning_rate: rate,
    seed,
    output_dir: dir,
    ...(workers ? { workers } : {}),
  });
  const { owners, metrics } = await runFederation({ config, overwrite: true });
  const shared = await sharedById();
  return Object.fromEntries(
    owners.map(({ id, folder }, i) => {
      const lines = readFileSync(join(dir, 'owners', folder, 'scores.jsonl'), 'utf8')
        .trimEnd()
        .split('\n');
      const examples = lines.map((line) => JSON.parse(line));
      return [id, { home: metrics.clients[i].take_home.which, ...sums(examples, shared) }];
    }),
  );
}
