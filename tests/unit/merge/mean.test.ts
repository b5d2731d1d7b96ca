import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeMean } from '../../../src/merge/mean.js';
import { rows, vector } from '../methods/arbitraries.js';

const SIZE = 12;

describe('the parameter-wise mean', () => {
  it('is sum(w m v) / sum(w m) per entry, else what was before, as a plain float64 form has it', () => {
    fc.assert(
      fc.property(rows(SIZE, { masks: true }), vector(SIZE), (input, before) => {
        const expected = Array.from(before, (old, p) => {
          const have = input.filter(({ mask }) => mask === null || mask[p] === 1);
          if (have.length === 0) return old;
          const total = have.reduce((sum, { weight }) => sum + weight, 0);
          return Math.fround(have.reduce((sum, { weight, values }) => sum + weight * values[p]!, 0) / total);
        });
        expect([...mergeMean(input, before)]).toEqual(expected);
      }),
    );
  });

  it('gives the same bits for masks of all ones and for none', () => {
    fc.assert(
      fc.property(rows(SIZE, { masks: false }), vector(SIZE), (input, before) => {
        const ones = input.map((row) => ({ ...row, mask: new Uint8Array(SIZE).fill(1) }));
        expect(mergeMean(ones, before)).toEqual(mergeMean(input, before));
      }),
    );
  });

  it('does not shrink an entry that few clients have', () => {
    const values = Float32Array.of(3, 5);
    const rare = { values, weight: 1, mask: Uint8Array.of(1, 0) };
    const many = Array.from({ length: 7 }, () => ({
      values: Float32Array.of(0, 2),
      weight: 100,
      mask: Uint8Array.of(0, 1),
    }));
    expect([...mergeMean([rare, ...many], Float32Array.of(9, 9))]).toEqual([3, 2]);
  });

  it('lies between the smallest and the largest of the values it merges', () => {
    fc.assert(
      fc.property(rows(SIZE, { masks: false }), (input) => {
        mergeMean(input, new Float32Array(SIZE)).forEach((mean, p) => {
          const all = input.map(({ values }) => values[p]!);
          expect(mean).toBeGreaterThanOrEqual(Math.min(...all) - 1e-6);
          expect(mean).toBeLessThanOrEqual(Math.max(...all) + 1e-6);
        });
      }),
    );
  });
});
