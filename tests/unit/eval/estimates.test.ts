import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { overAll, overGroups, paired, type Sample } from '../../../src/eval/estimates.js';
import { normal, randomStream } from '../../../src/random.js';

const samples = fc.array(
  fc.record({ value: fc.double({ min: 0, max: 50, noNaN: true }), per: fc.integer({ min: 1, max: 40 }) }),
  {
    minLength: 1,
    maxLength: 20,
  },
);
const same = (value: number): number => value;

describe('estimates', () => {
  it('lie within their bounds, which lie within the extremes', () => {
    fc.assert(
      fc.property(samples, (all) => {
        const { value, low, high } = overAll(all, same);
        const ratios = all.map((one) => one.value / one.per);
        expect(low).toBeGreaterThanOrEqual(Math.min(...ratios) - 1e-9);
        expect(high).toBeLessThanOrEqual(Math.max(...ratios) + 1e-9);
        expect(value).toBeCloseTo(all.reduce((s, v) => s + v.value, 0) / all.reduce((s, v) => s + v.per, 0), 9);
      }),
      { numRuns: 30 },
    );
  });

  it('of an adapter against itself are 0, without any width', () => {
    fc.assert(
      fc.property(samples, (all) => {
        expect(paired(all, all, (a, b) => a - b)).toEqual({ value: 0, low: 0, high: 0 });
      }),
      { numRuns: 20 },
    );
  });

  it('have the width that theory gives a mean: 1.96 standard errors either way', () => {
    const random = randomStream(5, 'normal');
    const all: Sample[] = Array.from({ length: 2000 }, () => ({ value: 3 + 2 * normal(random), per: 1 }));
    const { low, high } = overAll(all, same);
    const error = (1.96 * 2) / Math.sqrt(2000);
    expect((high - low) / 2 / error).toBeGreaterThan(0.85);
    expect((high - low) / 2 / error).toBeLessThan(1.15);
  });

  it('see what pairs have in common: a small difference of noisy scores is narrow', () => {
    const random = randomStream(6, 'normal');
    const a: Sample[] = Array.from({ length: 300 }, () => ({ value: 10 + 5 * normal(random), per: 1 }));
    const b = a.map(({ value, per }) => ({ value: value - 0.1, per }));
    const { value, low, high } = paired(a, b, (x, y) => x - y);
    expect([value, low, high].every((one) => Math.abs(one - 0.1) < 1e-9)).toBe(true);
  });

  it('count each group once', () => {
    const one = (value: number, times: number): Sample[] => new Array(times).fill({ value, per: 1 });
    expect(overGroups([one(1, 10), one(3, 1)], same).value).toBe(2);
    expect(overAll([...one(1, 10), ...one(3, 1)], same).value).toBeCloseTo(13 / 11, 12);
  });
});
