import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jaccard } from '../../../src/adapter/masks.js';
import { maskOverlaps, plainArithmetic, sortedMean } from '../../../src/merge/arithmetic.js';
import { mergeMean } from '../../../src/merge/mean.js';
import { jaccardOf, meanOverlap } from '../../../src/merge/overlap.js';
import { gram, squaredDistances } from '../../../src/merge/products.js';
import { robustMerge } from '../../../src/merge/robust.js';
import { randomStream } from '../../../src/random.js';
import { maskOf, rows, vector } from '../methods/arbitraries.js';

const SIZE = 70;
const close = (a: number, b: number, scale: number) =>
  expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-12 * scale + 1e-300);

/** Vectors longer than a block and a group of the sums. */
const long = (count: number, size: number) => {
  const random = randomStream(3, 'long', size);
  return Array.from({ length: count }, () => Float32Array.from({ length: size }, () => 2 * random() - 1));
};

describe('products of all pairs', () => {
  it('are the sums over each range, inside the mask', () => {
    const range = fc
      .tuple(fc.nat(SIZE), fc.nat(SIZE))
      .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
    fc.assert(
      fc.property(
        fc.array(vector(SIZE), { minLength: 1, maxLength: 4 }),
        fc.option(maskOf(SIZE), { nil: null }),
        fc.array(range, { maxLength: 3 }),
        (vectors, mask, ranges) => {
          const n = vectors.length;
          const result = gram(vectors, { mask, ranges });
          expect(result).toHaveLength(ranges.length * n * n);
          ranges.forEach(({ start, end }, r) => {
            vectors.forEach((a, i) => {
              vectors.forEach((b, j) => {
                let sum = 0;
                for (let p = start; p < end; p++) if (mask === null || mask[p] === 1) sum += a[p]! * b[p]!;
                close(result[(r * n + i) * n + j]!, sum, 4 * SIZE);
              });
            });
          });
        },
      ),
    );
  });

  it('and distances, over more than one group of entries', () => {
    const size = 2 * 65536 + 1024 + 13;
    const vectors = long(3, size);
    const inner = gram(vectors, { ranges: [{ start: 5, end: size }] });
    const apart = squaredDistances(vectors);
    vectors.forEach((a, i) => {
      vectors.forEach((b, j) => {
        let product = 0;
        let distance = 0;
        for (let p = 0; p < size; p++) {
          if (p >= 5) product += a[p]! * b[p]!;
          distance += (a[p]! - b[p]!) ** 2;
        }
        close(inner[3 * i + j]!, product, size);
        close(apart[3 * i + j]!, distance, size);
      });
    });
  });
});

describe('overlaps of masks', () => {
  it('are the counts of shared ones, and give every pair its Jaccard overlap', () => {
    const masks = fc.array(fc.option(maskOf(SIZE), { nil: null }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(masks, (all) => {
        const given = all.map((mask) => mask ?? new Uint8Array(SIZE).fill(1));
        const shared = maskOverlaps(all, SIZE);
        given.forEach((a, i) => {
          given.forEach((b, j) => {
            expect(shared[i * given.length + j]).toBe(a.reduce((sum, bit, p) => sum + (bit & b[p]!), 0));
          });
        });
        const overlap = jaccardOf(all, plainArithmetic);
        for (let i = 0; i < all.length; i++) {
          for (let j = 0; j < all.length; j++) expect(overlap(i, j)).toBe(jaccard(all[i]!, all[j]!));
        }
      }),
    );
  });

  it('and their mean over all pairs', () => {
    const masks = [Uint8Array.of(1, 1, 0, 0), Uint8Array.of(1, 0, 1, 0), Uint8Array.of(1, 1, 0, 0)];
    expect(meanOverlap(masks, plainArithmetic)).toBeCloseTo((1 / 3 + 1 + 1 / 3) / 3, 12);
    expect(meanOverlap(masks.slice(0, 1), plainArithmetic)).toBe(1);
  });
});

it('a sorted mean leaves out as many at both ends as it is told for that many values, and takes the mean where it is told so', () => {
  fc.assert(
    fc.property(rows(6, { masks: true, min: 1, max: 7 }), vector(6), (input, before) => {
      const cutOf = (count: number) => (count < 3 ? -1 : Math.floor((count - 1) / 3));
      const plain = mergeMean(input, before);
      sortedMean(input, before, cutOf).forEach((result, p) => {
        const values = input.filter(({ mask }) => mask === null || mask[p] === 1).map((row) => row.values[p]!);
        const cut = cutOf(values.length);
        const kept = values.sort((a, b) => a - b).slice(Math.max(0, cut), values.length - cut);
        const expected = cut < 0 ? plain[p]! : kept.reduce((a, b) => a + b, 0) / kept.length;
        expect(Math.abs(result - expected)).toBeLessThanOrEqual(cut < 0 ? 0 : 1e-6);
      });
    }),
  );
});

it('norm_clip goes through long adapters in stretches, to the bits of clipping whole updates', () => {
  const size = 65536 + 77;
  const [before, ...updates] = long(4, size);
  const input = updates.map((values, i) => ({ values, weight: 1 + i, mask: null }));
  const norms = updates.map((values) => Math.sqrt(values.reduce((sum, x, p) => sum + (x - before![p]!) ** 2, 0)));
  const bound = [...norms].sort((a, b) => a - b)[1]!;
  const whole = input.map((row, i) =>
    norms[i]! <= bound
      ? row
      : { ...row, values: row.values.map((x, p) => before![p]! + (bound / norms[i]!) * (x - before![p]!)) },
  );
  const options = {
    robust: 'norm_clip',
    trim_fraction: 0.2,
    byzantine: 1,
    krum_select: null,
    clip_norm: null,
  } as const;
  expect(robustMerge(input, before!, options).merged).toEqual(mergeMean(whole, before!));
});
