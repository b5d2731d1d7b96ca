import type { Arithmetic } from './arithmetic.js';

/** Of a pair of masks by their places: shared ones over ones of either, 1 for equal masks, 0 for disjoint ones. */
export type Jaccard = (i: number, j: number) => number;

/** Overlaps of all pairs of masks; null stands for all ones. */
export function jaccardOf(
  masks: readonly (Uint8Array | null)[],
  { maskOverlaps }: Pick<Arithmetic, 'maskOverlaps'>,
): Jaccard {
  const given = masks.filter((mask) => mask !== null);
  if (given.length === 0) return () => 1;
  const shared = maskOverlaps(given);
  const size = given[0]!.length;
  let next = 0;
  const places = masks.map((mask) => (mask === null ? -1 : next++));
  const ones = (place: number): number => (place < 0 ? size : shared[place * given.length + place]!);
  return (i, j) => {
    const [a, b] = [places[i]!, places[j]!];
    const both = a < 0 ? ones(b) : b < 0 ? ones(a) : shared[a * given.length + b]!;
    const either = ones(a) + ones(b) - both;
    return either === 0 ? 1 : both / either;
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
