import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MergeRow, mergeMean } from '../../../src/merge/mean.js';
import type { RobustOptions } from '../../../src/merge/options.js';
import { robustMerge } from '../../../src/merge/robust.js';
import { rows, vector } from '../methods/arbitraries.js';

const SIZE = 6;
const options = (robust: RobustOptions['robust'], more: Partial<RobustOptions> = {}): RobustOptions => ({
  robust,
  trim_fraction: 0.2,
  byzantine: 1,
  krum_select: null,
  clip_norm: null,
  ...more,
});
const row = (values: number[], weight = 1, mask: number[] | null = null): MergeRow => ({
  values: Float32Array.from(values),
  weight,
  mask: mask && Uint8Array.from(mask),
});
const zeros = (size: number) => new Float32Array(size);

/** Sorted values of the clients that cover an entry. */
const covering = (input: readonly MergeRow[], p: number) =>
  input
    .filter(({ mask }) => mask === null || mask[p] === 1)
    .map(({ values }) => values[p]!)
    .sort((a, b) => a - b);

const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe('median and trimmed mean', () => {
  const middle = (sorted: readonly number[]) =>
    average(sorted.slice(Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2) + 1));
  const trimmed = (sorted: readonly number[]) => {
    const cut = Math.min(Math.floor((sorted.length - 1) / 2), Math.max(1, Math.floor(0.2 * sorted.length)));
    return average(sorted.slice(cut, sorted.length - cut));
  };

  it.each([
    ['median', middle],
    ['trimmed_mean', trimmed],
  ] as const)('%s is taken over the clients that cover an entry; of fewer than three, the mean', (robust, form) => {
    fc.assert(
      fc.property(rows(SIZE, { masks: true, min: 3, max: 9 }), vector(SIZE), (input, before) => {
        const { merged } = robustMerge(input, before, options(robust));
        const plain = mergeMean(input, before);
        merged.forEach((result, p) => {
          const sorted = covering(input, p);
          expect(result).toBeCloseTo(sorted.length < 3 ? plain[p]! : form(sorted), 5);
        });
      }),
    );
  });

  it.each(['median', 'trimmed_mean'] as const)(
    '%s stays within the honest values whatever one of five sends',
    (robust) => {
      fc.assert(
        fc.property(rows(SIZE, { masks: false, min: 4, max: 4 }), vector(SIZE), (honest, wild) => {
          const attacker = row(
            [...wild].map((x) => 1e6 * x),
            1e6,
          );
          const { merged } = robustMerge([...honest, attacker], zeros(SIZE), options(robust));
          merged.forEach((result, p) => {
            const sorted = covering(honest, p);
            expect(result).toBeGreaterThanOrEqual(sorted[0]! - 1e-6);
            expect(result).toBeLessThanOrEqual(sorted.at(-1)! + 1e-6);
          });
        }),
      );
    },
  );
});

describe('krum', () => {
  // Four near 0 and one far away; with one dishonest of five, a row is scored by its two nearest others.
  const near = [row([0, 0]), row([1, 0]), row([0, 2]), row([3, 3])];
  const far = row([100, 100]);

  it('takes the row with the nearest neighbours: by hand, the first', () => {
    // Squared distances of [0, 0]: 1, 4, 18: score 5; of [1, 0]: 1, 5, 13: 6; of [0, 2]: 4, 5, 10: 9; of [3, 3]: 10, 13: 23.
    const { merged, metrics } = robustMerge([...near, far], zeros(2), options('krum'));
    expect([...merged]).toEqual([0, 0]);
    expect(metrics.krumSelected).toEqual([0]);
  });

  it('multi_krum averages all but the dishonest, with their weights', () => {
    const { merged, metrics } = robustMerge([far, ...near], zeros(2), options('multi_krum'));
    expect(metrics.krumSelected).toEqual([1, 2, 3, 4]);
    expect([...merged]).toEqual([1, 1.25]);
  });

  it('multi_krum averages as many as asked for', () => {
    const { merged } = robustMerge([far, ...near], zeros(2), options('multi_krum', { krum_select: 2 }));
    expect([...merged]).toEqual([0.5, 0]);
  });

  it('refuses unlike masks', () => {
    const unlike = [row([1, 0], 1, [1, 0]), row([0, 1], 1, [0, 1]), row([1, 1])];
    expect(() => robustMerge(unlike, zeros(2), options('krum', { byzantine: 0 }))).toThrow('equal masks');
  });

  it.each(['krum', 'multi_krum'] as const)(
    '%s refuses fewer clients than 2 f + 3, who could not outvote f',
    (robust) => {
      const near4 = () => robustMerge(near, zeros(2), options(robust));
      expect(near4).toThrow('needs 5 clients');
      expect(() => robustMerge([...near, far], zeros(2), options(robust))).not.toThrow();
      expect(() => robustMerge([], zeros(2), options(robust))).not.toThrow();
    },
  );
});

describe('norm_clip', () => {
  it('scales longer updates down to the bound: by hand', () => {
    const before = Float32Array.of(1, 1);
    const input = [row([1, 4]), row([7, 9]), row([1, 1])];
    // Updates [0, 3], [6, 8] and [0, 0], of lengths 3, 10 and 0; clipped to 5: [0, 3], [3, 4], [0, 0].
    const { merged, metrics } = robustMerge(input, before, options('norm_clip', { clip_norm: 5 }));
    expect(merged[0]).toBeCloseTo(2, 6);
    expect(merged[1]).toBeCloseTo(1 + 7 / 3, 6);
    expect(metrics.norms).toEqual([3, 10, 0]);
  });

  it('takes the median of the norms where no bound is given', () => {
    const input = [row([3, 0]), row([0, 10]), row([0, 0])];
    expect(robustMerge(input, zeros(2), options('norm_clip')).metrics.clipNorm).toBe(3);
  });

  it('bounds what a single client can move', () => {
    fc.assert(
      fc.property(rows(SIZE, { masks: true, min: 3 }), vector(SIZE), (input, before) => {
        const { merged } = robustMerge(input, before, options('norm_clip', { clip_norm: 0.5 }));
        const moved = Math.hypot(...merged.map((x, p) => x - before[p]!));
        expect(moved).toBeLessThanOrEqual(0.5 * Math.sqrt(input.length) + 1e-5);
      }),
    );
  });
});

it.each(['median', 'trimmed_mean'] as const)('%s of two rows is their weighted mean, and says so', (robust) => {
  const two = [row([1, 2], 3), row([5, 6], 1)];
  const { merged, metrics } = robustMerge(two, zeros(2), options(robust));
  expect(merged).toEqual(mergeMean(two, zeros(2)));
  expect(metrics).toEqual({ unprotected: 1 });
});

it('logs the share of the merged entries that fewer than three clients have', () => {
  const masks = [
    [1, 1, 1, 0],
    [1, 1, 0, 0],
    [1, 0, 0, 0],
  ];
  const input = masks.map((mask) => row([1, 2, 3, 4], 1, mask));
  // Three clients have the first entry, two the second, one the third, nobody the last.
  expect(robustMerge(input, zeros(4), options('median')).metrics).toEqual({ unprotected: 2 / 3 });
  const dense = [row([1]), row([2]), row([4])];
  expect(robustMerge(dense, zeros(1), options('median')).metrics).toEqual({ unprotected: 0 });
});
