import type { LayoutModule } from '../adapter/layout.js';

/** A sum of weighted products weight * B A of one module, each given inside the flat vector of an adapter. */
export interface ProductTerm {
  readonly values: Float32Array;
  readonly module: LayoutModule;
  readonly weight: number;
}

/** Inner product of row `i` of one A with row `j` of another. */
function dotA(x: ProductTerm, i: number, y: ProductTerm, j: number): number {
  const { inDim } = x.module;
  const a = x.module.offsetA + i * inDim;
  const b = y.module.offsetA + j * inDim;
  let sum = 0;
  for (let k = 0; k < inDim; k++) sum += x.values[a + k]! * y.values[b + k]!;
  return sum;
}

/** B_x transposed times B_y (rank x rank), row-major, reading both row by row. */
function gramB(x: ProductTerm, y: ProductTerm): Float64Array {
  const [rx, ry] = [x.module.rank, y.module.rank];
  const gram = new Float64Array(rx * ry);
  for (let row = 0; row < x.module.outDim; row++) {
    for (let i = 0; i < rx; i++) {
      const left = x.values[x.module.offsetB + row * rx + i]!;
      if (left === 0) continue;
      for (let j = 0; j < ry; j++) gram[i * ry + j]! += left * y.values[y.module.offsetB + row * ry + j]!;
    }
  }
  return gram;
}

/** The inner product <B_x A_x, B_y A_y> of two products of one linear layer, through rank x rank Gram matrices. */
export function productInner(x: ProductTerm, y: ProductTerm): number {
  const gram = gramB(x, y);
  let sum = 0;
  for (let i = 0; i < x.module.rank; i++) {
    for (let j = 0; j < y.module.rank; j++) {
      const g = gram[i * y.module.rank + j]!;
      if (g !== 0) sum += g * dotA(x, i, y, j);
    }
  }
  return sum;
}

/** Squared Frobenius norm of the sum of weight * B A over the terms; out x in matrices are never formed. */
export function productNormSquared(terms: readonly ProductTerm[]): number {
  let sum = 0;
  terms.forEach((x, i) => {
    for (let j = i; j < terms.length; j++) {
      const y = terms[j]!;
      sum += (i === j ? 1 : 2) * x.weight * y.weight * productInner(x, y);
    }
  });
  return Math.max(0, sum);
}

/** The squared Frobenius norm of B A of each module of an adapter. */
export type ProductNorms = (values: Float32Array, modules: readonly LayoutModule[]) => Float64Array;

export const productNorms: ProductNorms = (values, modules) =>
  Float64Array.from(modules, (module) => productNormSquared([{ values, module, weight: 1 }]));

/** Frobenius norm of B A over all modules of an adapter. */
export function adapterProductNorm(
  values: Float32Array,
  modules: readonly LayoutModule[],
  norms: ProductNorms = productNorms,
): number {
  return Math.sqrt(norms(values, modules).reduce((sum, square) => sum + square, 0));
}
