import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeMean } from '../../../src/merge/mean.js';
import { RunningMean } from '../../../src/merge/runningMean.js';
import { rows, vector } from '../methods/arbitraries.js';

const SIZE = 12;

describe('the running mean', () => {
  it('is the same to the bit where rows come one by one and are forgotten', () => {
    fc.assert(
      fc.property(rows(SIZE, { masks: true, min: 0, max: 8 }), vector(SIZE), (input, before) => {
        const running = new RunningMean(SIZE);
        for (const { values, mask, weight } of input) {
          const passing = { values: values.slice(), mask: mask === null ? null : mask.slice(), weight };
          running.add(passing);
          passing.values.fill(Number.NaN);
          passing.mask?.fill(1);
        }
        expect(running.mean(before)).toEqual(mergeMean(input, before));
      }),
    );
  });
});
