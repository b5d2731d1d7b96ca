import type { Score } from '../contracts/evaluation.js';

export { macroScore, weightedScore } from '../contracts/score.js';

/** Token-exact score of examples from their NLL sums and target counts, summed in order. */
export function makeScore(nll: Float64Array, targets: Int32Array): Score {
  let sum = 0;
  let tokens = 0;
  for (let i = 0; i < nll.length; i++) {
    sum += nll[i]!;
    tokens += targets[i]!;
  }
  const mean = tokens === 0 ? 0 : sum / tokens;
  return { nll: mean, ppl: Math.exp(mean), tokens };
}
