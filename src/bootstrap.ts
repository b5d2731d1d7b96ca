import { randomStream } from './random.js';

/** Bounds that hold 95 % of the resamples. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = { least: 200, most: 1000 };
/** Examples drawn in all, at most, so that a large test set does not hold anybody up. */
const MAX_DRAWS = 2e7;

/** Which example stands in a place of a resample, out of `count`. */
export type Pick = (place: number, count: number) => number;

/**
 * A statistic over `examples` examples that are drawn with replacement, in ascending order. Equal inputs give equal draws;
 * statistics over the same numbers of examples in the same order see the same examples, so their differences are paired.
 */
export function resampled(examples: number, statistic: (pick: Pick) => number): Float64Array {
  const resamples = Math.max(RESAMPLES.least, Math.min(RESAMPLES.most, Math.floor(MAX_DRAWS / examples)));
  const random = randomStream(0, 'bootstrap');
  return Float64Array.from({ length: resamples }, () => statistic((_, count) => Math.floor(random() * count))).sort();
}

/** The bounds of 95 % of the draws, which are in ascending order. */
export function boundsOf(draws: Float64Array): Interval {
  const at = (share: number) => draws[Math.min(draws.length - 1, Math.floor(share * draws.length))]!;
  return { low: at(0.025), high: at(0.975) };
}

/** Percentile bootstrap of a statistic, see `resampled`. */
export const bootstrap = (examples: number, statistic: (pick: Pick) => number): Interval =>
  boundsOf(resampled(examples, statistic));

/** Each example in its own place. */
export const asTheyStand: Pick = (place) => place;
