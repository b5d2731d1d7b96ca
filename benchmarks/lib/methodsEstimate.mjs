import { cellConfig, getCell, hasCell, runConfig } from './methodsCells.mjs';
import { tuneRow } from './methodsTune.mjs';

/** Adapters that exist for an owner besides the base, before fine-tuning. */
const adaptersOf = ({ settings }) => (settings.method === 'ditto' ? 2 : 1);

/** Examples of all owners that a cell trains on and scores. */
export function cellWork(part, entry, config, { owners, valid, test }) {
  const { rounds, steps, batch } = part.plan;
  const adapters = adaptersOf(entry);
  // What the owner had before the last merge, and what fine-tuning made. The base is scored once for all rows.
  const atEnd = adapters + (entry.continuous ? 0 : 1) + (entry.finetune ? 1 : 0);
  // What the last round scored on validation is known at the end.
  const scored = config.eval_every > 0 ? (config.num_rounds - 1) * adapters + atEnd : atEnd;
  return {
    train: owners * rounds * steps * batch,
    score: valid * scored + (config.eval_every > 0 ? owners : test) * atEnd,
  };
}

/** Of the short federation that measures the speed. */
const SAMPLE = { steps: 2, examples: 4 };

/**
 * How fast this machine is at the part, from one short federation: seconds before the first round, of training on an example
 * and of scoring one; and how many examples all owners have.
 */
export async function calibrate(part, entry, options) {
  const { total_steps: _, ...settings } = cellConfig(part, entry, { seed: 1, tuned: {}, phase: 'test' });
  const config = {
    ...settings,
    ...{ method: 'fedavg', mutation: 'none', num_rounds: 1, local_steps: SAMPLE.steps, finetune_steps: 0 },
    rank_per_client: null,
    ...{ max_valid_examples: SAMPLE.examples, max_test_examples: SAMPLE.examples },
  };
  const at = { begin: performance.now() };
  const onProgress = ({ kind, round }) => {
    if (kind === 'prepared') at.prepared = performance.now();
    if (kind === 'round') at.train = performance.now();
    if (kind === 'evaluating' && round === 1) at.trained = performance.now();
  };
  const { metrics } = await runConfig(part, config, { ...options, onProgress });
  const owners = metrics.clients.length;
  const scored = metrics.clients.reduce((sum, { num_val, num_test }) => sum + num_val + num_test, 0);
  const seconds = (from, to) => (to - from) / 1000;
  return {
    owners,
    valid: part.counts.valid,
    test: part.counts.test,
    open: seconds(at.begin, at.prepared),
    train: seconds(at.train, at.trained) / (owners * SAMPLE.steps * part.plan.batch),
    // The base, the shared adapter, and each owner's own before the merge.
    score: (seconds(at.prepared, at.train) + seconds(at.trained, performance.now())) / (3 * scored),
    tokensPerSecond: metrics.tokens.train / seconds(at.train, at.trained),
  };
}

/** Seconds that a cell takes at the speed that was measured. */
export function cellSeconds(part, entry, config, speed) {
  const { train, score } = cellWork(part, entry, config, speed);
  return speed.open + train * speed.train + score * speed.score;
}

/**
 * Cells that a row needs and does not have: where it is tuned already, those of the seeds; else, as far as is known before, its
 * grids without extensions and what the seeds will run at values that are to be found.
 */
export async function missingCells(part, entry, { seeds, tuneAll, probe }) {
  const [seed] = seeds;
  const cellOf = (what) => getCell(part, entry, what, { run: false, probe });
  const isMissing = (what) => !hasCell(part, entry, what, probe);
  const found = await tuneRow(part, entry, { seed, tuneAll, cellOf });
  const tests = seeds.map((each) => ({ seed: each, tuned: found?.chosen ?? {}, phase: 'test' }));
  if (found) return tests.filter(isMissing);
  const rates = part.grid.map((learning_rate) => ({ seed, tuned: { learning_rate }, phase: 'tune' }));
  const own = tuneAll ? Object.values(entry.grid).reduce((sum, values) => sum + values.length - 1, 0) : 0;
  // Fewer steps of one training, or fewer rounds before fine-tuning, are tried by runs of their own.
  const fewer = entry.continuous ? 2 : entry.finetune ? 1 : 0;
  const later = { seed, tuned: {}, phase: 'tune' };
  return [...rates.filter(isMissing), ...Array.from({ length: own + fewer }, () => later), ...tests];
}

/** "3 h 20 min", "12 min" or "40 s". */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
