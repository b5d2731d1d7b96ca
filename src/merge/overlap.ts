import type { Arithmetic } from './arithmetic.js';

/** Of a pair of masks by their places: shared ones over ones of either, 1 for equal masks, 0 for disjoint ones. */
export type Jaccard = (i: number, j: number) => number;

/** Overlaps of all pairs of masks; null stands for all ones. */
export function jaccardOf(
  masks: readonly (Uint8Array | null)[],
  { maskOverlaps }: Pick<Arithmetic, 'maskOverlaps'>,
): Jaccard {
  const length = masks.find((mask) => mask !== null)?.length ?? 0;
  const shared = maskOverlaps(masks, length);
  const both = (i: number, j: number): number => shared[i * masks.length + j]!;
  return (i, j) => {
    const either = both(i, i) + both(j, j) - both(i, j);
    return either === 0 ? 1 : both(i, j) / either;
  };
}

/** Mean Jaccard overlap over all pairs of masks; 1 for a single one. */
export function meanOverlap(masks: readonly Uint8Array[], arithmetic: Pick<Arithmetic, 'maskOverlaps'>): number {
  const overlap = jaccardOf(masks, arithmetic);
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < masks.length; i++) {
    for (let j = i + 1; j < masks.length; j++) {
      sum += overlap(i, j);
      pairs++;
    }
  }
  return pairs === 0 ? 1 : sum / pairs;
}
