import { inverse, Matrix } from 'ml-matrix';
import type { AdapterLayout } from '../adapter/layout.js';
import type { MergeRow } from './mean.js';
import { factorA, factorB } from './procrustes.js';

/**
 * Merged factors whose B makes up for what averaging misses: B + D with the D that minimises
 * |sum p_i B_i A_i - (B + D) A|_F^2 + ridge |D|_F^2, which is (sum p_i B_i A_i - B A) A^T (A A^T + ridge I)^-1. Through products of
 * rank x rank; the mean product is never formed.
 */
export function refineB(
  layout: AdapterLayout,
  rows: readonly MergeRow[],
  merged: Float32Array,
  ridge: number,
): Float32Array {
  const total = rows.reduce((sum, { weight }) => sum + weight, 0);
  const result = merged.slice();
  for (const module of layout.modules) {
    const [a, b] = [factorA(merged, module), factorB(merged, module)];
    const transposed = a.transpose();
    const gram = a.mmul(transposed);
    const missed = b.mmul(gram).mul(-1);
    for (const { values, weight } of rows) {
      const own = factorB(values, module).mmul(factorA(values, module).mmul(transposed));
      missed.add(own.mul(weight / total));
    }
    const step = missed.mmul(inverse(gram.clone().add(Matrix.eye(module.rank).mul(ridge))));
    result.set(b.add(step).to1DArray(), module.offsetB);
  }
  return result;
}
