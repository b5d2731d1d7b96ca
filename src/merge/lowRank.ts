import { EigenvalueDecomposition, Matrix, QrDecomposition, SingularValueDecomposition } from 'ml-matrix';
import type { DenseAdapter } from '../adapter/components.js';
import { type AdapterLayout, type LayoutModule, withRanks } from '../adapter/layout.js';
import type { Arithmetic } from './arithmetic.js';
import { type ProductSummand, stackComponents, summandsOf, type WeightedAdapter } from './productSum.js';

/** A as an in x rank matrix and B as an out x rank matrix, in float64. */
function factorsOf(values: Float32Array, { offsetA, offsetB, inDim, outDim, rank }: LayoutModule) {
  const at = Matrix.zeros(inDim, rank);
  for (let c = 0; c < rank; c++) for (let i = 0; i < inDim; i++) at.set(i, c, values[offsetA + c * inDim + i]!);
  const b = Matrix.zeros(outDim, rank);
  for (let row = 0; row < outDim; row++) {
    for (let c = 0; c < rank; c++) b.set(row, c, values[offsetB + row * rank + c]!);
  }
  return { at, b };
}

/** M = Q R with orthonormal columns in Q; Q null stands for the identity, where M is not taller than wide. */
function thinQr(matrix: Matrix): { q: Matrix | null; r: Matrix } {
  if (matrix.rows <= matrix.columns) return { q: null, r: matrix };
  const qr = new QrDecomposition(matrix);
  return { q: qr.orthogonalMatrix, r: qr.upperTriangularMatrix };
}

const expand = (q: Matrix | null, matrix: Matrix): Matrix => (q === null ? matrix : q.mmul(matrix));

/**
 * The best approximation of B A of a given rank (Eckart-Young) through thin QR of both factors and an SVD of the small
 * core: B' = U S, A' = V transposed, so that a component of singular value 0 has A' of unit norm and can still learn.
 */
function truncateFactors({ at, b }: { at: Matrix; b: Matrix }, result: Float32Array, to: LayoutModule): void {
  const left = thinQr(b);
  const right = thinQr(at);
  const svd = new SingularValueDecomposition(left.r.mmul(right.r.transpose()), { autoTranspose: true });
  const u = expand(left.q, svd.leftSingularVectors);
  const v = expand(right.q, svd.rightSingularVectors);
  const count = Math.min(to.rank, svd.diagonal.length);
  for (let c = 0; c < count; c++) {
    for (let i = 0; i < to.inDim; i++) result[to.offsetA + c * to.inDim + i] = v.get(i, c);
    for (let row = 0; row < to.outDim; row++) {
      result[to.offsetB + row * to.rank + c] = u.get(row, c) * svd.diagonal[c]!;
    }
  }
}

/** A singular value that is smaller than this share of the largest is lost in the squares of a Gram matrix. */
const LOST = 1e-6;

/** The products of all rows with each other. */
function gramOfRows(rows: readonly Float64Array[]): Matrix {
  const gram = Matrix.zeros(rows.length, rows.length);
  rows.forEach((a, i) => {
    for (let j = i; j < rows.length; j++) {
      const b = rows[j]!;
      let sum = 0;
      for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
      gram.set(i, j, sum);
      gram.set(j, i, sum);
    }
  });
  return gram;
}

/** The rows of a product (out x in), or its columns where these are fewer. */
function linesOf(product: Float64Array, { inDim, outDim }: LayoutModule): Float64Array[] {
  if (outDim <= inDim) {
    return Array.from({ length: outDim }, (_, row) => product.subarray(row * inDim, (row + 1) * inDim));
  }
  return Array.from({ length: inDim }, (_, i) =>
    Float64Array.from({ length: outDim }, (_row, row) => product[row * inDim + i]!),
  );
}

/**
 * The same from a product that was formed: its singular vectors on the smaller side are the eigenvectors of its Gram
 * matrix there, and those on the other side follow. False where a singular value is too small to be told in this way.
 */
function truncateProduct(product: Float64Array, result: Float32Array, to: LayoutModule): boolean {
  const lines = linesOf(product, to);
  const { eigenvectorMatrix: vectors } = new EigenvalueDecomposition(gramOfRows(lines), { assumeSymmetric: true });
  const isWide = to.outDim <= to.inDim;
  let largest = 0;
  for (let c = 0; c < to.rank; c++) {
    // Eigenvalues rise.
    const near = vectors.getColumn(lines.length - 1 - c);
    const far = new Float64Array(lines[0]!.length);
    near.forEach((weight, line) => {
      const row = lines[line]!;
      for (let k = 0; k < far.length; k++) far[k]! += weight * row[k]!;
    });
    const value = Math.sqrt(far.reduce((sum, x) => sum + x * x, 0));
    largest = Math.max(largest, value);
    if (!(value > LOST * largest)) return false;
    const [left, right] = isWide ? [near, far] : [far, near];
    const [ofLeft, ofRight] = isWide ? [value, 1 / value] : [1, 1];
    for (let i = 0; i < to.inDim; i++) result[to.offsetA + c * to.inDim + i] = ofRight * right[i]!;
    for (let row = 0; row < to.outDim; row++) result[to.offsetB + row * to.rank + c] = ofLeft * left[row]!;
  }
  return true;
}

/** The components of some summands in a layout of that one module. */
function stacked(summands: readonly ProductSummand[], like: LayoutModule) {
  const rank = summands.reduce((sum, summand) => sum + summand.rank, 0);
  const layout = withRanks({ modules: [like], size: 0 }, () => rank);
  const values = new Float32Array(layout.size);
  stackComponents(summands, values, layout.modules[0]!);
  return factorsOf(values, layout.modules[0]!);
}

const smallerDim = ({ inDim, outDim }: LayoutModule): number => Math.min(inDim, outDim);

/** Writes every module of a sum of products, by its summands and how many components they have. */
function eachModule(
  adapters: readonly WeightedAdapter[],
  rankOf: (module: LayoutModule, components: number) => number,
  write: (summands: readonly ProductSummand[], components: number, result: Float32Array, to: LayoutModule) => void,
): DenseAdapter {
  const { layout } = adapters[0] as { readonly layout: AdapterLayout };
  const sums = layout.modules.map((_, index) => summandsOf(adapters, index));
  const components = sums.map((summands) => summands.reduce((sum, { rank }) => sum + rank, 0));
  let next = 0;
  const target = withRanks(layout, (module) => rankOf(module, components[next++]!));
  const values = new Float32Array(target.size);
  target.modules.forEach((to, index) => {
    write(sums[index]!, components[index]!, values, to);
  });
  return { layout: target, values };
}

/**
 * The best approximation of every module's sum of products by one of at most `rank`, singular values falling. Where there
 * are more components than min(in, out), the sum is formed instead of stacking them.
 */
export function truncatedSum(
  adapters: readonly WeightedAdapter[],
  rank: (module: LayoutModule) => number,
  { productSum }: Pick<Arithmetic, 'productSum'>,
): DenseAdapter {
  return eachModule(adapters, rank, (summands, components, result, to) => {
    const smaller = smallerDim(to);
    if (components > smaller && to.rank <= smaller) {
      if (truncateProduct(productSum(summands, to.outDim, to.inDim), result, to)) return;
    }
    truncateFactors(stacked(summands, to), result, to);
  });
}

/** A product written as I (BA) or (BA) I, of rank min(out, in): exact but for one rounding to float32. */
function foldProduct(product: Float64Array, result: Float32Array, to: LayoutModule): void {
  const { inDim, outDim, rank, offsetA, offsetB } = to;
  const intoA = outDim <= inDim;
  result.set(product, intoA ? offsetA : offsetB);
  const [identity, columns] = intoA ? [offsetB, rank] : [offsetA, inDim];
  for (let c = 0; c < rank; c++) result[identity + c * columns + c] = 1;
}

/**
 * A sum of adapters' products as one adapter that holds it exactly: their components one after the other, and modules that
 * would pass rank min(in, out) at that rank, where one rounding to float32 is all that changes.
 */
export function sumOfAdapters(
  adapters: readonly WeightedAdapter[],
  { productSum }: Pick<Arithmetic, 'productSum'>,
): DenseAdapter {
  return eachModule(
    adapters,
    (module, components) => Math.min(components, smallerDim(module)),
    (summands, components, result, to) => {
      if (components > to.rank) foldProduct(productSum(summands, to.outDim, to.inDim), result, to);
      else stackComponents(summands, result, to);
    },
  );
}
