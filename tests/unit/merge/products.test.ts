import fc from 'fast-check';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { makeLayout } from '../../../src/adapter/layout.js';
import { aggregationError, measuredModules } from '../../../src/merge/aggregationError.js';
import { plainArithmetic } from '../../../src/merge/arithmetic.js';
import { sumOfAdapters, truncatedSum } from '../../../src/merge/lowRank.js';
import { mergeMean } from '../../../src/merge/mean.js';
import { adapterProductNorm } from '../../../src/merge/productNorms.js';
import { denseProducts, frobenius, LAYOUT, rows, vector } from '../methods/arbitraries.js';

const difference = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x - b[i]!);
const dense = denseProducts;

describe('products of factors, against matrices formed in full', () => {
  it('the norm of B A over all modules', () => {
    fc.assert(
      fc.property(vector(LAYOUT.size), (values) => {
        const full = Math.hypot(
          ...dense(LAYOUT, values).map((product, m) => frobenius(product) / LAYOUT.modules[m]!.scale),
        );
        expect(adapterProductNorm(values, LAYOUT.modules)).toBeCloseTo(full, 5);
      }),
    );
  });

  it('the aggregation error ||sum p_i B_i A_i - B A|| / ||sum p_i B_i A_i||', () => {
    fc.assert(
      fc.property(rows(LAYOUT.size, { masks: false, min: 2 }), (input) => {
        const merged = mergeMean(input, new Float32Array(LAYOUT.size));
        const total = input.reduce((sum, { weight }) => sum + weight, 0);
        const products = input.map(({ values }) => dense(LAYOUT, values));
        let error = 0;
        let norm = 0;
        dense(LAYOUT, merged).forEach((product, m) => {
          const mean = product.map((_, e) =>
            input.reduce((sum, { weight }, i) => sum + (weight / total) * products[i]![m]![e]!, 0),
          );
          error += frobenius(difference(mean, product)) ** 2;
          norm += frobenius(mean) ** 2;
        });
        fc.pre(norm > 1e-3);
        expect(aggregationError(LAYOUT, input, merged).relative).toBeCloseTo(Math.sqrt(error / norm), 4);
      }),
    );
  });

  it('is taken of every n-th module of many large adapters, of their own entries', () => {
    const shape = { target: 'attn_q', inDim: 300, outDim: 200, rank: 8, scale: 1 } as const;
    const modules = Array.from({ length: 30 }, (_, layer) => ({ ...shape, module: `blk.${layer}.attn_q`, layer }));
    const large = makeLayout(modules);
    expect(measuredModules(1, large).layout).toEqual(large);
    const { layout, take } = measuredModules(40, large);
    expect(layout.modules.length).toBeGreaterThan(1);
    expect(layout.modules.length).toBeLessThan(10);
    const taken = take(Float32Array.from({ length: large.size }, (_, p) => p));
    for (const { module, offsetA, offsetB, inDim, outDim, rank } of layout.modules) {
      const from = large.modules.find((other) => other.module === module)!;
      expect(taken.subarray(offsetA, offsetA + rank * inDim)[0]).toBe(from.offsetA);
      expect(taken[offsetB + outDim * rank - 1]).toBe(from.offsetB + outDim * rank - 1);
    }
  });

  it('is 0 where only one factor differs', () => {
    fc.assert(
      fc.property(rows(LAYOUT.size, { masks: false, min: 2 }), vector(LAYOUT.size), (input, shared) => {
        const sameA = input.map((row) => {
          const values = row.values.slice();
          for (const m of LAYOUT.modules) values.set(shared.subarray(m.offsetA, m.offsetB), m.offsetA);
          return { ...row, values };
        });
        const merged = mergeMean(sameA, new Float32Array(LAYOUT.size));
        fc.pre(adapterProductNorm(merged, LAYOUT.modules) > 0.1);
        expect(aggregationError(LAYOUT, sameA, merged).relative).toBeLessThan(1e-5);
      }),
    );
  });
});

describe('truncated SVD', () => {
  const layout = makeLayout([
    { module: 'blk.0.attn_q', layer: 0, target: 'attn_q', inDim: 7, outDim: 6, rank: 4, scale: 0.5 },
    { module: 'blk.0.attn_v', layer: 0, target: 'attn_v', inDim: 4, outDim: 9, rank: 4, scale: 0.5 },
  ]);

  /** Singular values of a module's product from the eigenvalues of M'M, largest first. */
  function singularValues(product: readonly number[], inDim: number): number[] {
    const matrix = Matrix.from1DArray(product.length / inDim, inDim, [...product]);
    const { realEigenvalues } = new EigenvalueDecomposition(matrix.transpose().mmul(matrix), { assumeSymmetric: true });
    return realEigenvalues.map((x) => Math.sqrt(Math.max(0, x))).sort((a, b) => b - a);
  }

  /** Some adapters, with how their weighted products add up. */
  const sums = fc
    .array(fc.record({ values: vector(layout.size), weight: fc.double({ min: 0.1, max: 2, noNaN: true }) }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((adapters) => {
      const products = adapters.map(({ values }) => dense(layout, values));
      const sum = layout.modules.map((_, m) =>
        products[0]![m]!.map((_x, e) => adapters.reduce((x, { weight }, i) => x + weight * products[i]![m]![e]!, 0)),
      );
      return { adapters: adapters.map((adapter) => ({ layout, ...adapter })), sum };
    });

  it.each([1, 2, 3, 4])('to rank %i misses the sum by exactly the singular values that it drops', (rank) => {
    fc.assert(
      fc.property(sums, ({ adapters, sum }) => {
        const cut = truncatedSum(adapters, () => rank, plainArithmetic);
        const after = dense(cut.layout, cut.values);
        layout.modules.forEach(({ inDim }, m) => {
          const dropped = Math.hypot(...singularValues(sum[m]!, inDim).slice(rank));
          expect(frobenius(difference(sum[m]!, after[m]!))).toBeCloseTo(dropped, 3);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('gives falling singular values in B and unit rows in A, also where the sum has a smaller rank', () => {
    fc.assert(
      fc.property(sums, fc.integer({ min: 1, max: 3 }), ({ adapters }, kept) => {
        // All adapters are one, and only some of its components are not 0.
        const values = adapters[0]!.values.slice();
        for (const { offsetB, outDim, rank } of layout.modules) {
          for (let row = 0; row < outDim; row++)
            values.fill(0, offsetB + row * rank + kept, offsetB + (row + 1) * rank);
        }
        const same = adapters.map(({ weight }) => ({ layout, values, weight }));
        const cut = truncatedSum(same, () => 4, plainArithmetic);
        cut.layout.modules.forEach(({ offsetA, offsetB, inDim, outDim, rank }) => {
          const length = (at: number, step: number, count: number) =>
            Math.hypot(...Array.from({ length: count }, (_, i) => cut.values[at + i * step]!));
          const lengths = Array.from({ length: rank }, (_, c) => length(offsetB + c, rank, outDim));
          expect(lengths.every((x, c) => c === 0 || x <= lengths[c - 1]! * (1 + 1e-5) + 1e-6)).toBe(true);
          for (let c = 0; c < rank; c++) expect(length(offsetA + c * inDim, 1, inDim)).toBeCloseTo(1, 5);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('of deviations from a mean is what the mean of the factors misses', () => {
    fc.assert(
      fc.property(vector(layout.size), vector(layout.size), (values, minus) => {
        const sum = sumOfAdapters([{ layout, values, minus, weight: 0.5 }], plainArithmetic);
        const expected = dense(
          layout,
          values.map((x, p) => x - minus[p]!),
        );
        dense(sum.layout, sum.values).forEach((product, m) => {
          expect(
            frobenius(
              difference(
                product,
                expected[m]!.map((x) => 0.5 * x),
              ),
            ),
          ).toBeLessThan(1e-5);
        });
      }),
    );
  });

  it('of a sum of products over the clients is a mean that loses nothing at full rank', () => {
    fc.assert(
      fc.property(vector(layout.size), vector(layout.size), (a, b) => {
        const folded = sumOfAdapters(
          [a, b].map((values) => ({ layout, values, weight: 1 })),
          plainArithmetic,
        );
        const expected = dense(layout, a).map((product, m) => product.map((x, e) => x + dense(layout, b)[m]![e]!));
        folded.layout.modules.forEach(({ rank, inDim, outDim }) => {
          expect(rank).toBe(Math.min(8, inDim, outDim));
        });
        dense(folded.layout, folded.values).forEach((product, m) => {
          expect(frobenius(difference(product, expected[m]!))).toBeLessThan(1e-5);
        });
      }),
    );
  });
});
