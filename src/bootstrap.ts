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
 * Percentile bootstrap of a statistic over `examples` examples, which are drawn with replacement. Equal inputs give equal bounds;
 * statistics over the same numbers of examples in the same order see the same draws, so their differences are paired.
 */
export function bootstrap(examples: number, statistic: (pick: Pick) => number): Interval {
  const resamples = Math.max(RESAMPLES.least, Math.min(RESAMPLES.most, Math.floor(MAX_DRAWS / examples)));
  const random = randomStream(0, 'bootstrap');
  const draws = Float64Array.from({ length: resamples }, () =>
    statistic((_, count) => Math.floor(random() * count)),
  ).sort();
  const at = (share: number) => draws[Math.min(resamples - 1, Math.floor(share * resamples))]!;
  return { low: at(0.025), high: at(0.975) };
}

/** Each example in its own place. */
export const asTheyStand: Pick = (place) => place;
