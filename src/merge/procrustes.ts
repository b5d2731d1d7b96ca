import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import type { LayoutModule } from '../adapter/layout.js';

/** A of a module (rank x in) inside the flat vector of an adapter. */
export function factorA(values: Float32Array, { offsetA, inDim, rank }: LayoutModule): Matrix {
  return Matrix.from1DArray(rank, inDim, values.subarray(offsetA, offsetA + rank * inDim));
}

/** B of a module (out x rank) inside the flat vector of an adapter. */
export function factorB(values: Float32Array, { offsetB, outDim, rank }: LayoutModule): Matrix {
  return Matrix.from1DArray(outDim, rank, values.subarray(offsetB, offsetB + outDim * rank));
}

/** The orthogonal R that maximises trace(R^T M), the polar factor of a square M (Schoenemann, 1966): U V^T of M = U S V^T. */
export function polarFactor(square: Matrix): Matrix {
  const { leftSingularVectors: u, rightSingularVectors: v } = new SingularValueDecomposition(square);
  return u.mmul(v.transpose());
}

/**
 * An adapter whose factors are turned towards those of a reference, module by module: B R and R^T A, with the orthogonal R that
 * brings the chosen factor nearest to the reference's. B A stays as it is.
 */
export function alignFactors(
  values: Float32Array,
  reference: Float32Array,
  modules: readonly LayoutModule[],
  by: 'A' | 'B',
): Float32Array {
  const result = new Float32Array(values.length);
  for (const module of modules) {
    const [a, b] = [factorA(values, module), factorB(values, module)];
    const likeness =
      by === 'A' ? a.mmul(factorA(reference, module).transpose()) : b.transpose().mmul(factorB(reference, module));
    const rotation = polarFactor(likeness);
    result.set(rotation.transpose().mmul(a).to1DArray(), module.offsetA);
    result.set(b.mmul(rotation).to1DArray(), module.offsetB);
  }
  return result;
}
