import type { DenseAdapter } from '../adapter/components.js';
import type { LayoutModule } from '../adapter/layout.js';

/** The product of one module: (B - B0) times weight * (A - A0), each rounded to float32 as an adapter holds them. */
export interface ProductSummand {
  readonly values: Float32Array;
  /** Where B0 and A0 lie, in the same places; null: zeros. */
  readonly minus: Float32Array | null;
  readonly weight: number;
  readonly offsetA: number;
  readonly offsetB: number;
  readonly rank: number;
}

/** The sum of products of one linear layer as out x in, row-major; each entry added up over the components in order. */
export type ProductSum = (summands: readonly ProductSummand[], outDim: number, inDim: number) => Float64Array;

/** An adapter in a sum of products: weight * (B - B0)(A - A0) of every module. */
export interface WeightedAdapter extends DenseAdapter {
  readonly weight: number;
  /** In the same layout. @default null: nothing is subtracted */
  readonly minus?: Float32Array | null;
}

export function summandsOf(adapters: readonly WeightedAdapter[], index: number): ProductSummand[] {
  return adapters.map(({ layout, values, weight, minus = null }) => {
    const { offsetA, offsetB, rank } = layout.modules[index]!;
    return { values, minus, weight, offsetA, offsetB, rank };
  });
}

/** Entry `p` of A and of B as a component of the sum holds it. */
const entryA = ({ values, minus, weight }: ProductSummand, p: number): number =>
  Math.fround(weight * (minus === null ? values[p]! : Math.fround(values[p]! - minus[p]!)));
const entryB = ({ values, minus }: ProductSummand, p: number): number =>
  minus === null ? values[p]! : Math.fround(values[p]! - minus[p]!);

export const productSum: ProductSum = (summands, outDim, inDim) => {
  const sum = new Float64Array(outDim * inDim);
  for (const summand of summands) {
    const { offsetA, offsetB, rank } = summand;
    for (let c = 0; c < rank; c++) {
      for (let row = 0; row < outDim; row++) {
        const b = entryB(summand, offsetB + row * rank + c);
        for (let i = 0; i < inDim; i++) sum[row * inDim + i]! += b * entryA(summand, offsetA + c * inDim + i);
      }
    }
  }
  return sum;
};

/** Writes the components of the summands, one after the other, into the place of one module. */
export function stackComponents(summands: readonly ProductSummand[], result: Float32Array, to: LayoutModule): void {
  let place = 0;
  for (const summand of summands) {
    const { offsetA, offsetB, rank } = summand;
    for (let c = 0; c < rank; c++, place++) {
      for (let i = 0; i < to.inDim; i++) {
        result[to.offsetA + place * to.inDim + i] = entryA(summand, offsetA + c * to.inDim + i);
      }
      for (let row = 0; row < to.outDim; row++) {
        result[to.offsetB + row * to.rank + place] = entryB(summand, offsetB + row * rank + c);
      }
    }
  }
}
