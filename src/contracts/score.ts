import type { MeanScore, Score } from './evaluation.js';
import type { NllSum } from './messages.js';

/** The score of a sum of NLLs over target tokens. */
export function scoreOf({ nll, tokens }: NllSum): Score {
  const mean = tokens === 0 ? 0 : nll / tokens;
  return { nll: mean, ppl: Math.exp(mean), tokens };
}

/** Whether a loss is lower than the lowest so far; any number is lower than none (NaN: of an adapter that has gone astray). */
export const isLower = (nll: number, lowest: number | undefined): boolean =>
  lowest === undefined || nll < lowest || (Number.isNaN(lowest) && !Number.isNaN(nll));

/** Mean over clients of nll and of ppl, each client counting once. */
export function macroScore(scores: readonly Score[]): MeanScore {
  const mean = (pick: (score: Score) => number) => scores.reduce((sum, score) => sum + pick(score), 0) / scores.length;
  return { nll: mean(({ nll }) => nll), ppl: mean(({ ppl }) => ppl) };
}

/** Mean over target tokens of all clients; ppl is its exponential. */
export function weightedScore(scores: readonly Score[]): MeanScore {
  const tokens = scores.reduce((sum, score) => sum + score.tokens, 0);
  const nll = scores.reduce((sum, score) => sum + score.nll * score.tokens, 0) / tokens;
  return { nll, ppl: Math.exp(nll) };
}

/** NLL sums (nats) and target counts of examples, summed in order. */
export function sumScores(nll: Float64Array, targets: Int32Array): NllSum {
  let sum = 0;
  let tokens = 0;
  for (let i = 0; i < nll.length; i++) {
    sum += nll[i]!;
    tokens += targets[i]!;
  }
  return { nll: sum, tokens };
}

/** Token-exact score of examples from their NLL sums (nats) and target counts, summed in order. */
export function makeScore(nll: Float64Array, targets: Int32Array): Score {
  return scoreOf(sumScores(nll, targets));
}
