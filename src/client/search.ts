import type { DenseAdapter } from '../adapter/components.js';
import type { Adapter } from '../adapter/layout.js';
import { maskValues } from '../adapter/masks.js';
import { collectGarbage } from '../garbage.js';
import type { SearchPhase } from '../methods/work.js';
import { randomStream } from '../random.js';
import { exampleStream, microBatchesOf } from './batches.js';
import type { WorkInput } from './localWork.js';
import { pruneStage } from './prune.js';
import { magnitudeScores, randomScores, taylorScores } from './pruneScores.js';
import { trainAdapter } from './train.js';

export interface SearchOutput {
  readonly adapter: Adapter;
  /** All tokens that passed through the engine: warm-up and scoring. */
  readonly tokens: number;
  readonly targets: number;
}

interface Scored {
  readonly scores: Float64Array;
  readonly tokens: number;
  readonly targets: number;
}

/** The scores of each stage: new ones from the values that are left, or the same at all of them (size, chance). */
function makeScoring(
  { env, examples, seed }: WorkInput,
  track: string,
  { score, prune, importanceSamples, warmup }: SearchPhase,
  { layout, values }: DenseAdapter,
): (left: Float32Array) => Scored {
  if (score !== 'taylor') {
    const random = randomStream(seed, 'prune', track);
    const scores = score === 'random' ? randomScores(layout, prune, random) : magnitudeScores(layout, values, prune);
    return () => ({ scores, tokens: 0, targets: 0 });
  }
  const samples = exampleStream(examples, seed, `${track}/search/samples`);
  const batches = microBatchesOf(samples.next(Math.min(importanceSamples, examples.count)), warmup.batchSize);
  const tokens = batches.reduce((sum, batch) => sum + batch.tokens.length, 0);
  const trainer = env.trainer(layout);
  return (left) => {
    trainer.setValues(left);
    const { gradient, targets } = trainer.gradient(batches);
    return { scores: taylorScores(layout, left, gradient, prune), tokens, targets };
  };
}

/**
 * PerFIT's search on one client (arXiv 2402.16919, "foresight pruning"): warm up, score |theta * mean gradient|, prune in
 * nested stages with new scores at each, go back to the received values. Its examples come from streams of its own, so
 * that the training after it is the same as without it. Where chance scores and the values are rewound, nothing is computed.
 * Throws AdapterError EQUAL_SCORES.
 */
export function searchAdapter(input: WorkInput, track: string, phase: SearchPhase, received: Adapter): SearchOutput {
  const { env, examples, seed } = input;
  const { layout } = received;
  // A new search starts from all components again, so the old mask does not bind it.
  const whole: Adapter = { layout, values: received.values, mask: null };
  const warmUp = () =>
    trainAdapter({
      env,
      phase: phase.warmup,
      adapter: whole,
      stream: exampleStream(examples, seed, `${track}/search/warmup`),
      seed,
    });
  const isFree = phase.score === 'random' && phase.rewind;
  const warm = isFree ? { values: whole.values, tokens: 0, targets: 0 } : warmUp();
  const scoreValues = makeScoring(input, track, phase, { layout, values: warm.values });
  let mask: Uint8Array = new Uint8Array(layout.size).fill(1);
  let { tokens, targets } = warm;
  for (let stage = 1; stage <= phase.stages; stage++) {
    const scored = scoreValues(maskValues(warm.values, mask));
    tokens += scored.tokens;
    targets += scored.targets;
    mask = pruneStage(layout, scored.scores, mask, { ...phase, stage });
    // Values, gradient and scores of the stage: four times the adapter.
    collectGarbage('young');
  }
  return {
    adapter: { layout, mask, values: maskValues(phase.rewind ? received.values : warm.values, mask) },
    tokens,
    targets,
  };
}
