import type { Adapter } from '../adapter/layout.js';
import { maskValues } from '../adapter/masks.js';
import type { SearchPhase } from '../methods/work.js';
import { exampleStream, microBatchesOf } from './batches.js';
import type { WorkInput } from './localWork.js';
import { importance, pruneStage } from './prune.js';
import { trainAdapter } from './train.js';

export interface SearchOutput {
  readonly adapter: Adapter;
  /** All tokens that passed through the engine: warm-up and scoring. */
  readonly tokens: number;
  readonly targets: number;
}

/**
 * PerFIT's search on one client (arXiv 2402.16919, "foresight pruning"): warm up, score |theta * mean gradient|, prune in
 * nested stages with new scores at each, go back to the received values. Its examples come from streams of its own, so
 * that the training after it is the same as without it. Throws AdapterError EQUAL_SCORES.
 */
export function searchAdapter(
  { env, examples, seed }: WorkInput,
  track: string,
  phase: SearchPhase,
  received: Adapter,
): SearchOutput {
  const stream = (purpose: string) => exampleStream(examples, seed, `${track}/search/${purpose}`);
  const { layout } = received;
  const warm = trainAdapter({
    env,
    phase: phase.warmup,
    // A new search starts from all components again, so the old mask does not bind it.
    adapter: { layout, values: received.values, mask: null },
    stream: stream('warmup'),
    seed,
  });
  const samples = stream('samples').next(Math.min(phase.importanceSamples, examples.count));
  const batches = microBatchesOf(samples, phase.warmup.batchSize);
  const trainer = env.trainer(layout);
  let mask: Uint8Array = new Uint8Array(layout.size).fill(1);
  let { tokens, targets } = warm;
  for (let stage = 1; stage <= phase.stages; stage++) {
    const values = maskValues(warm.values, mask);
    trainer.setValues(values);
    const scored = trainer.gradient(batches);
    tokens += batches.reduce((sum, batch) => sum + batch.tokens.length, 0);
    targets += scored.targets;
    mask = pruneStage(layout, importance(values, scored.gradient, mask), mask, { ...phase, stage });
  }
  return {
    adapter: { layout, mask, values: maskValues(phase.rewind ? received.values : warm.values, mask) },
    tokens,
    targets,
  };
}
