import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addCombination, sumCombinations } from '../../src/merge/combination.js';
import { mergeMean } from '../../src/merge/mean.js';
import { productNorms } from '../../src/merge/productNorms.js';
import { productSum } from '../../src/merge/productSum.js';
import { addRow } from '../../src/merge/runningMean.js';
import type { CombinationTerm, EntryRange, MergeRow } from '../../src/native/binding.js';
import * as native from '../../src/native/merges.js';

/** Adapters of `size` values with weights and, some of them, masks; and the number of threads. */
const merges = (most: { rows: number; size: number }) =>
  fc
    .record({
      size: fc.integer({ min: 1, max: most.size }),
      threads: fc.integer({ min: 1, max: 3 }),
      specs: fc.array(
        fc.record({
          seed: fc.integer(),
          weight: fc.double({ min: 0, max: 600, noNaN: true }),
          masked: fc.boolean(),
          scale: fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 }),
          // few different values: ties, zeros of both signs
          coarse: fc.boolean(),
        }),
        { minLength: 1, maxLength: most.rows },
      ),
    })
    .map(({ size, threads, specs }) => ({
      threads,
      rows: specs.map(({ seed, weight, masked, scale, coarse }): MergeRow => {
        const value = (i: number) =>
          coarse ? Math.round(2 * Math.sin(i * 1.7 + seed)) : scale * Math.sin(i * 1.7 + seed);
        return {
          weight,
          values: Float32Array.from({ length: size }, (_, i) => value(i)),
          mask: masked ? Uint8Array.from({ length: size }, (_, i) => (Math.imul(i + 1, seed | 1) >>> 7) & 1) : null,
        };
      }),
      fallback: Float32Array.from({ length: size }, (_, i) => i / 3),
    }));

describe('the native mean', () => {
  it('is equal to the TypeScript one to the bit, for any rows, masks, weights and threads', () => {
    fc.assert(
      fc.property(merges({ rows: 6, size: 9000 }), ({ rows, fallback, threads }) => {
        expect(native.mergeMean(rows, fallback, threads)).toEqual(mergeMean(rows, fallback));
      }),
      { numRuns: 60 },
    );
  });
});

describe('the native running mean', () => {
  it('is equal to the TypeScript one to the bit, for any rows, masks and weights', () => {
    fc.assert(
      fc.property(merges({ rows: 6, size: 9000 }), ({ rows, fallback: { length } }) => {
        const [own, plain] = [native.addRow, addRow].map((add) => {
          const [sum, weights] = [new Float64Array(length), new Float64Array(length)];
          for (const row of rows) add(sum, row.mask === null && row.weight < 300 ? null : weights, row);
          return { sum, weights };
        });
        expect(own).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses a masked row without weights, and lengths that differ', () => {
    const row = { values: new Float32Array(3), weight: 1, mask: new Uint8Array(3) };
    expect(() => native.addRow(new Float64Array(3), null, row)).toThrow(/weights beside a row that has a mask/);
    expect(() => native.addRow(new Float64Array(2), null, { ...row, mask: null })).toThrow(/values/);
    expect(() => native.addRow(new Float64Array(3), new Float64Array(2), row)).toThrow(/weights/);
  });
});

describe('the native sorted mean', () => {
  /** Per entry: the covering values sorted, cut at both ends, added in order. */
  function oracle(rows: readonly MergeRow[], fallback: Float32Array, cutOf: (count: number) => number): Float32Array {
    const result = mergeMean(rows, fallback);
    for (let p = 0; p < result.length; p++) {
      const sorted = Float64Array.from(
        rows.filter(({ mask }) => mask === null || mask[p] === 1),
        ({ values }) => values[p]!,
      ).sort();
      const cut = sorted.length === 0 ? -1 : cutOf(sorted.length);
      if (cut < 0) continue;
      let sum = 0;
      for (const value of sorted.subarray(cut, sorted.length - cut)) sum += value;
      result[p] = sum / (sorted.length - 2 * cut);
    }
    return result;
  }

  const median = (count: number) => (count < 3 ? -1 : Math.floor((count - 1) / 2));
  const trimmed = (share: number) => (count: number) =>
    count < 3 ? -1 : Math.min(Math.floor((count - 1) / 2), Math.max(1, Math.floor(share * count)));

  it('is equal to sorting in TypeScript to the bit: medians, trimmed means, masks, ties, threads', () => {
    const cuts = fc.oneof(
      fc.constant(median),
      fc.double({ min: 0, max: 0.49, noNaN: true }).map(trimmed),
      fc.constant(() => 0),
      fc.constant(() => -1),
    );
    fc.assert(
      fc.property(merges({ rows: 40, size: 700 }), cuts, ({ rows, fallback, threads }, cutOf) => {
        expect(native.sortedMean(rows, fallback, cutOf, threads)).toEqual(oracle(rows, fallback, cutOf));
      }),
      { numRuns: 80 },
    );
  });

  it('sorts every number of rows up to 130, and beyond a chunk', () => {
    const random = (p: number, i: number) => Math.fround(Math.sin(p * 12.9898 + i * 78.233) * 43758.5453) % 1;
    for (let count = 1; count <= 130; count++) {
      const size = count % 40 === 0 ? 2100 : 33;
      const rows = Array.from({ length: count }, (_, i): MergeRow => {
        return { weight: 1, mask: null, values: Float32Array.from({ length: size }, (_, p) => random(p, i)) };
      });
      const fallback = new Float32Array(size);
      expect(native.sortedMean(rows, fallback, median)).toEqual(oracle(rows, fallback, median));
    }
  });

  it('puts NaN and infinities where sort() does', () => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-45, -3e38];
    const rows = special.map((_, i): MergeRow => {
      return { weight: 1, mask: null, values: Float32Array.from(special, (_, p) => special[(i * 3 + p) % 7]!) };
    });
    // a NaN with its sign bit set, as processors make it
    new Uint32Array(rows[2]!.values.buffer)[1] = 0xffc00001;
    const fallback = new Float32Array(7);
    for (const cutOf of [median, trimmed(0.3), () => 0]) {
      expect(native.sortedMean(rows, fallback, cutOf)).toEqual(oracle(rows, fallback, cutOf));
    }
  });

  it('refuses cuts that leave nothing', () => {
    const rows: MergeRow[] = [{ weight: 1, mask: null, values: new Float32Array(3) }];
    const wanted = expect.objectContaining({ name: 'EngineError', code: 'BAD_ARGUMENT' });
    expect(() => native.sortedMean(rows, new Float32Array(3), (count) => count)).toThrow(wanted);
  });
});

describe('the native products', () => {
  /** The order of native/engine/products.h in plain loops. */
  function ordered(part: (p: number) => number, start: number, end: number): number {
    let sum = 0;
    for (let group = start; group < end; group += 65536) {
      let inGroup = 0;
      for (let block = group; block < Math.min(end, group + 65536); block += 1024) {
        const s = new Float64Array(8);
        for (let p = block; p < Math.min(end, group + 65536, block + 1024); p++) s[(p - block) % 8]! += part(p);
        inGroup += s[0]! + s[4]! + (s[2]! + s[6]!) + (s[1]! + s[5]! + (s[3]! + s[7]!));
      }
      sum += inGroup;
    }
    return sum;
  }
  const plain = (part: (p: number) => number, start: number, end: number) => {
    let sum = 0;
    for (let p = start; p < end; p++) sum += part(p);
    return sum;
  };
  it.each([
    [1, 1],
    [2, 7],
    [3, 1023],
    [5, 1025],
    [4, 70_003],
    [9, 140_000],
  ])('of %i rows of %i entries are equal to loops in the stated order to the bit', (count, size) => {
    const rows = Array.from({ length: count }, (_, i) => noise(size, i + 1));
    const mask = Uint8Array.from({ length: size }, (_, p) => ((p * 2654435761) >>> 13) & 1);
    const third = Math.floor(size / 3);
    const ranges = [
      { start: 0, end: third },
      { start: third, end: third },
      { start: third, end: size },
    ];
    for (const threads of [1, 3]) {
      const grams = native.gram(rows, { threads });
      const masked = native.gram(rows, { mask, ranges, threads });
      const distances = native.squaredDistances(rows, threads);
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < count; j++) {
          const [a, b] = [rows[Math.min(i, j)]!, rows[Math.max(i, j)]!];
          const product = (p: number) => a[p]! * b[p]!;
          const square = (p: number) => (a[p]! - b[p]!) * (a[p]! - b[p]!);
          expect(grams[i * count + j]).toBe(ordered(product, 0, size));
          expect(distances[i * count + j]).toBe(ordered(square, 0, size));
          expect(grams[i * count + j]).toBeCloseTo(plain(product, 0, size), 7);
          expect(distances[i * count + j]).toBeCloseTo(plain(square, 0, size), 7);
          ranges.forEach(({ start, end }, r) => {
            const got = masked[(r * count + i) * count + j];
            expect(got).toBe(ordered((p) => (mask[p] === 1 ? product(p) : 0), start, end));
          });
        }
      }
    }
  });

  it('do not look at what a mask leaves out', () => {
    const rows = [Float32Array.of(1, Number.NaN, 3), Float32Array.of(2, Number.POSITIVE_INFINITY, 5)];
    expect([...native.gram(rows, { mask: Uint8Array.of(1, 0, 1) })]).toEqual([10, 17, 17, 29]);
  });

  it('refuse rows of different lengths, and none', () => {
    const wanted = expect.objectContaining({ name: 'EngineError', code: 'BAD_ARGUMENT' });
    expect(() => native.gram([new Float32Array(2), new Float32Array(3)])).toThrow(wanted);
    expect(() => native.squaredDistances([])).toThrow(wanted);
    expect(() => native.gram([new Float32Array(2)], { ranges: [{ start: 1, end: 3 }] })).toThrow(wanted);
    expect(() => native.gram([new Float32Array(2)], { ranges: [{ start: 2, end: 1 }] })).toThrow(wanted);
  });
});

describe('the native combinations', () => {
  interface Case {
    readonly size: number;
    readonly threads: number;
    readonly ranges: EntryRange[];
    readonly combinations: CombinationTerm[][];
  }
  const cases: fc.Arbitrary<Case> = fc
    .record({
      size: fc.integer({ min: 0, max: 40_000 }),
      threads: fc.integer({ min: 1, max: 3 }),
      cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
      terms: fc.array(
        fc.array(
          fc.record({
            seed: fc.integer({ min: 1, max: 1000 }),
            masked: fc.boolean(),
            weights: fc.array(fc.oneof(fc.constant(0), fc.double({ min: -3, max: 3, noNaN: true })), {
              minLength: 3,
              maxLength: 3,
            }),
          }),
          { maxLength: 3 },
        ),
        { maxLength: 3 },
      ),
    })
    .map(({ size, threads, cuts, terms }) => {
      const at = cuts.map((cut) => Math.round(cut * size)).sort((a, b) => a - b);
      const ranges = Array.from({ length: Math.floor(at.length / 2) }, (_, i) => ({
        start: at[2 * i]!,
        end: at[2 * i + 1]!,
      }));
      const combinations = terms.map((combination) =>
        combination.map(({ seed, masked, weights }) => ({
          values: noise(size, seed),
          mask: masked ? Uint8Array.from({ length: size }, (_, p) => (Math.imul(p + 1, seed) >>> 3) & 1) : null,
          weights: Float64Array.from(weights.slice(0, ranges.length)),
        })),
      );
      return { size, threads, ranges, combinations };
    });

  it('are equal to the TypeScript ones to the bit', () => {
    fc.assert(
      fc.property(cases, ({ size, threads, ranges, combinations }) => {
        const base = noise(size, 5);
        const [terms = []] = combinations;
        expect(native.addCombination(base, terms, ranges, 0.7, threads)).toEqual(
          addCombination(base, terms, ranges, 0.7),
        );
        expect(native.sumCombinations(combinations, ranges, size, threads)).toEqual(
          sumCombinations(combinations, ranges, size),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('do not look at what a mask leaves out', () => {
    const values = Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY);
    const term = { values, mask: Uint8Array.of(1, 0, 0), weights: Float64Array.of(2) };
    expect([...native.addCombination(new Float32Array(3), [term], [{ start: 0, end: 3 }], 1)]).toEqual([2, 0, 0]);
  });

  it('refuse ranges that overlap or pass the end, and lengths that differ', () => {
    const wanted = expect.objectContaining({ name: 'EngineError', code: 'BAD_ARGUMENT' });
    const base = new Float32Array(4);
    const term = { values: base, mask: null, weights: Float64Array.of(1) };
    const call = (terms: CombinationTerm[], ranges: EntryRange[]) => () =>
      native.addCombination(base, terms, ranges, 1);
    expect(
      call(
        [],
        [0, 1].map((start) => ({ start, end: 2 })),
      ),
    ).toThrow(wanted);
    expect(call([], [{ start: 0, end: 5 }])).toThrow(wanted);
    expect(call([{ ...term, weights: new Float64Array(2) }], [{ start: 0, end: 4 }])).toThrow(wanted);
    expect(call([{ ...term, values: new Float32Array(3) }], [{ start: 0, end: 4 }])).toThrow(wanted);
    expect(() => native.sumCombinations([[term]], [{ start: 0, end: 4 }], 5)).toThrow(wanted);
  });
});

describe('the native products of factors', () => {
  const dims = fc.record({
    outDim: fc.integer({ min: 1, max: 70 }),
    inDim: fc.integer({ min: 1, max: 70 }),
    threads: fc.integer({ min: 1, max: 3 }),
    ranks: fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 5 }),
  });

  it('are equal to the TypeScript ones to the bit', () => {
    fc.assert(
      fc.property(dims, ({ outDim, inDim, threads, ranks }) => {
        const summands = ranks.map((rank, i) => ({
          values: noise(3 + rank * (inDim + outDim), 3 * i + 1),
          minus: i % 2 === 0 ? null : noise(3 + rank * (inDim + outDim), 3 * i + 2),
          ...{ weight: 0.3 + i, offsetA: 3, offsetB: 3 + rank * inDim, rank },
        }));
        expect(native.productSum(summands, outDim, inDim, threads)).toEqual(productSum(summands, outDim, inDim));
        for (const { values, rank } of summands) {
          const like = { module: 'blk.0.attn_q', layer: 0, target: 'attn_q' as const, scale: 1 };
          const module = { ...like, inDim, outDim, rank, offsetA: 3, offsetB: 3 + rank * inDim };
          expect(native.productNorms(values, [module], threads)).toEqual(productNorms(values, [module]));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('refuse factors that do not lie in their adapter', () => {
    const wanted = expect.objectContaining({ name: 'EngineError', code: 'BAD_ARGUMENT' });
    const summand = { values: new Float32Array(10), minus: null, weight: 1, offsetA: 0, offsetB: 6, rank: 2 };
    expect([...native.productSum([summand], 2, 3)]).toEqual([0, 0, 0, 0, 0, 0]);
    for (const wrong of [{ rank: 3 }, { offsetB: 7 }, { minus: new Float32Array(9) }, { weight: Number.NaN }]) {
      expect(() => native.productSum([{ ...summand, ...wrong }], 2, 3)).toThrow(wanted);
    }
    expect(() => native.productSum([], 0, 3)).toThrow(wanted);
    const place = { offsetA: 0, offsetB: 6, rank: 2, inDim: 3, outDim: 3 };
    expect(() => native.productNorms(new Float32Array(10), [place])).toThrow(wanted);
  });
});

describe('the native overlaps', () => {
  it('count what masks share', () => {
    const mask = (size: number) =>
      fc.option(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: size, maxLength: size }));
    const cases = fc
      .integer({ min: 0, max: 300 })
      .chain((size) =>
        fc.tuple(fc.constant(size), fc.array(mask(size), { maxLength: 5 }), fc.integer({ min: 1, max: 3 })),
      );
    fc.assert(
      fc.property(cases, ([size, drawn, threads]) => {
        const masks = drawn.map((bits) => (bits === null ? null : Uint8Array.from(bits)));
        const wanted = masks.flatMap((a) =>
          masks.map(
            (b) => Array.from({ length: size }, (_, p) => (a?.[p] ?? 1) & (b?.[p] ?? 1)).filter(Boolean).length,
          ),
        );
        expect([...native.maskOverlaps(masks, size, threads)]).toEqual(wanted);
      }),
    );
  });
});

function noise(size: number, seed: number): Float32Array {
  return Float32Array.from({ length: size }, (_, p) => Math.sin(p * 1.3 + seed * 7.1));
}
