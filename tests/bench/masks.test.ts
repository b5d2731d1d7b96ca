import { expect, it } from 'vitest';

/** Benchmarks are plain JavaScript without types. */
const { compareSearches, overlap, overlapByChance } = await import(
  new URL('../../benchmarks/lib/maskOverlap.mjs', import.meta.url).href
);

const mask = (bits: string) => Uint8Array.from(bits, Number);
const ALL = [[0, 4]];

it('the overlap of two masks is what they share of what either has, within the ranges', () => {
  expect(overlap(mask('1100'), mask('0110'), ALL)).toBeCloseTo(1 / 3, 12);
  expect(overlap(mask('1100'), mask('0110'), [[1, 3]])).toBeCloseTo(1 / 2, 12);
  // Two of four each: one in common to be expected, three that either has.
  expect(overlapByChance(mask('1100'), mask('0011'), ALL)).toBeCloseTo(1 / 3, 12);
  // Range by range: where one of them keeps everything, the other's are shared.
  const ranges = [
    [0, 2],
    [2, 4],
  ];
  expect(overlapByChance(mask('1100'), mask('1010'), ranges)).toBeCloseTo(1 / 3, 12);
});

it('two searches are compared of one owner and of every two owners', () => {
  const found = compareSearches({ a: mask('1100'), b: mask('0011') }, { a: mask('1100'), b: mask('1001') }, ALL);
  expect(found.same_owner).toBeCloseTo((1 + 1 / 3) / 2, 12);
  // a's first against b's second, b's first against a's second.
  expect(found.two_owners).toBeCloseTo((1 / 3 + 0) / 2, 12);
  expect(found.same_round).toBe(0);
  expect(found.by_chance).toBeCloseTo(1 / 3, 12);
});
