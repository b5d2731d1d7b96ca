import { createHash } from 'node:crypto';
import { cellConfig, runConfig } from './methodsCells.mjs';

/**
 * A run of each kind of thing that the row does, on next to nothing: search, three rounds (mutation begins in the third),
 * fine-tuning, an example a step.
 */
function probeConfig(part, entry) {
  const { total_steps: _, ...config } = cellConfig(part, entry, { seed: 1, tuned: {}, phase: 'tune' });
  return {
    ...config,
    num_rounds: entry.continuous ? 1 : 3,
    local_steps: entry.continuous ? 3 : 1,
    batch_size: 1,
    ...(config.importance_samples === undefined ? {} : { importance_samples: 2 }),
    ...(entry.finetune ? { finetune_steps: 1 } : {}),
    max_train_examples: 4,
    max_valid_examples: 1,
  };
}

const probes = new Map();

/**
 * What engine and method make of the row, by running it on a few examples of the part: base, kernel set, and a digest of all
 * scores, bytes and tokens. A cell that was kept by an engine or a method that computes something else is thereby another cell.
 * Rows that differ in the adapter that counts are run once.
 */
export async function probeRow(part, entry, options) {
  const config = probeConfig(part, entry);
  const key = JSON.stringify(config);
  if (!probes.has(key)) probes.set(key, runProbe(part, config, options));
  return probes.get(key);
}

async function runProbe(part, config, options) {
  const { metrics } = await runConfig(part, config, options);
  const { timing, ...decided } = metrics;
  return {
    model_sha256: metrics.model.sha256,
    kernels: timing.kernels,
    digest: createHash('sha256').update(JSON.stringify(decided)).digest('hex').slice(0, 16),
  };
}
