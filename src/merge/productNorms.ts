import type { LayoutModule } from '../adapter/layout.js';

/** The squared Frobenius norm of B A of each module of an adapter. */
export type ProductNorms = (values: Float32Array, modules: readonly LayoutModule[]) => Float64Array;

/** <A_i, A_j> of two rows of A. */
function dotA(values: Float32Array, { offsetA, inDim }: LayoutModule, i: number, j: number): number {
  let sum = 0;
  for (let k = 0; k < inDim; k++) sum += values[offsetA + i * inDim + k]! * values[offsetA + j * inDim + k]!;
  return sum;
}

/** B transposed times B (rank x rank), row-major, reading B row by row. */
function gramB(values: Float32Array, { offsetB, outDim, rank }: LayoutModule): Float64Array {
  const gram = new Float64Array(rank * rank);
  for (let at = offsetB; at < offsetB + outDim * rank; at += rank) {
    for (let i = 0; i < rank; i++) {
      for (let j = 0; j < rank; j++) gram[i * rank + j]! += values[at + i]! * values[at + j]!;
    }
  }
  return gram;
}

/** Through rank x rank tables; out x in matrices are never formed. */
function productNorm(values: Float32Array, module: LayoutModule): number {
  const { rank } = module;
  const sum = gramB(values, module).reduce(
    (total, g, p) => total + g * dotA(values, module, Math.floor(p / rank), p % rank),
    0,
  );
  return Math.max(0, sum);
}

export const productNorms: ProductNorms = (values, modules) =>
  Float64Array.from(modules, (module) => productNorm(values, module));

/** Frobenius norm of B A over all modules of an adapter. */
export function adapterProductNorm(
  values: Float32Array,
  modules: readonly LayoutModule[],
  norms: ProductNorms = productNorms,
): number {
  return Math.sqrt(norms(values, modules).reduce((sum, square) => sum + square, 0));
}
