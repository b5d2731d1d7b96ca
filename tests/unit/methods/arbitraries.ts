import type { AdapterLayout } from '../../../src/adapter/layout.js';
import type { MergeRow } from '../../../src/merge/mean.js';
import fc from '../../support/properties.js';
import { toyLayout } from './quadratic.js';

/** A float32 of ordinary size. */
export const value = fc.double({ min: -2, max: 2, noNaN: true }).map(Math.fround);

export const vector = (size: number): fc.Arbitrary<Float32Array> =>
  fc.array(value, { minLength: size, maxLength: size }).map((values) => Float32Array.from(values));

export const maskOf = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.array(fc.integer({ min: 0, max: 1 }), { minLength: size, maxLength: size }).map((bits) => Uint8Array.from(bits));

const weight = fc.double({ min: 0.5, max: 600, noNaN: true });

/** Rows of a merge; values are 0 outside their mask, as uploads are. */
export function rows(size: number, options: { masks: boolean; min?: number; max?: number }): fc.Arbitrary<MergeRow[]> {
  const mask = options.masks ? fc.option(maskOf(size), { nil: null }) : fc.constant(null);
  const row = fc.tuple(vector(size), weight, mask).map(
    ([values, w, m]): MergeRow => ({
      values: m === null ? values : values.map((v, p) => (m[p] === 1 ? v : 0)),
      weight: w,
      mask: m,
    }),
  );
  return fc.array(row, { minLength: options.min ?? 1, maxLength: options.max ?? 5 });
}

/** s B A of every module, out x in, in float64. */
export function denseProducts(layout: AdapterLayout, values: ArrayLike<number>): number[][] {
  return layout.modules.map(({ inDim, outDim, rank, offsetA, offsetB, scale }) => {
    const product: number[] = [];
    for (let o = 0; o < outDim; o++) {
      for (let i = 0; i < inDim; i++) {
        let sum = 0;
        for (let c = 0; c < rank; c++) sum += values[offsetB + o * rank + c]! * values[offsetA + c * inDim + i]!;
        product.push(scale * sum);
      }
    }
    return product;
  });
}

export const frobenius = (matrix: readonly number[]): number => Math.sqrt(matrix.reduce((sum, x) => sum + x * x, 0));

export const LAYOUT = toyLayout();
