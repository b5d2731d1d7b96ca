import type { Range } from './products.js';

/** A weighted row of a combination. */
export interface CombinationTerm {
  readonly values: Float32Array;
  /** One byte an entry: 0 where the row takes no part; null: all ones. */
  readonly mask: Uint8Array | null;
  /** Weight of the row in each range; with 0 it takes no part there. */
  readonly weights: Float64Array;
}

/**
 * `base` + `scale` * x in a new array, where x of an entry is the sum of its range's weight times the row's value over the
 * terms, in their order, in float64, with one rounding to float32 at the end. Ranges are in order and do not overlap;
 * outside of them `base` stands.
 */
export type AddCombination = (
  base: Float32Array,
  terms: readonly CombinationTerm[],
  ranges: readonly Range[],
  scale: number,
) => Float32Array;

/** The sum of several combinations' x in float64, each added up by itself and then to those before it. */
export type SumCombinations = (
  combinations: readonly (readonly CombinationTerm[])[],
  ranges: readonly Range[],
  length: number,
) => Float64Array;

function valueAt(terms: readonly CombinationTerm[], range: number, p: number): number {
  let x = 0;
  for (const { values, mask, weights } of terms) {
    const weight = weights[range]!;
    if (weight !== 0) x += weight * (mask === null || mask[p] !== 0 ? values[p]! : 0);
  }
  return x;
}

export const addCombination: AddCombination = (base, terms, ranges, scale) => {
  const result = base.slice();
  ranges.forEach(({ start, end }, r) => {
    for (let p = start; p < end; p++) result[p] = result[p]! + scale * valueAt(terms, r, p);
  });
  return result;
};

export const sumCombinations: SumCombinations = (combinations, ranges, length) => {
  const result = new Float64Array(length);
  ranges.forEach(({ start, end }, r) => {
    for (let p = start; p < end; p++) for (const terms of combinations) result[p]! += valueAt(terms, r, p);
  });
  return result;
};
