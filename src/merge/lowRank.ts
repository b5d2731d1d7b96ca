import { Matrix, QrDecomposition, SingularValueDecomposition } from 'ml-matrix';
import type { DenseAdapter } from '../adapter/components.js';
import { type LayoutModule, withRanks } from '../adapter/layout.js';

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
function truncateModule(values: Float32Array, module: LayoutModule, result: Float32Array, to: LayoutModule): void {
  const { at, b } = factorsOf(values, module);
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

/** The best approximation of every module's product by one of at most `rank`, singular values falling. */
export function truncatedSvd({ layout, values }: DenseAdapter, rank: (module: LayoutModule) => number): DenseAdapter {
  const target = withRanks(layout, rank);
  const result = new Float32Array(target.size);
  layout.modules.forEach((module, index) => {
    truncateModule(values, module, result, target.modules[index]!);
  });
  return { layout: target, values: result };
}

const smallerDim = ({ inDim, outDim }: LayoutModule): number => Math.min(inDim, outDim);

/** B A written as I (BA) or (BA) I: a product of rank min(out, in) that holds it exactly, with one rounding to float32. */
function foldModule(values: Float32Array, module: LayoutModule, result: Float32Array, to: LayoutModule): void {
  const { at, b } = factorsOf(values, module);
  const product = b.mmul(at.transpose());
  const intoA = module.outDim <= module.inDim;
  for (let c = 0; c < to.rank; c++) {
    for (let i = 0; i < to.inDim; i++) {
      result[to.offsetA + c * to.inDim + i] = intoA ? product.get(c, i) : Number(i === c);
    }
    for (let row = 0; row < to.outDim; row++) {
      result[to.offsetB + row * to.rank + c] = intoA ? Number(row === c) : product.get(row, c);
    }
  }
}

function copyModule(values: Float32Array, from: LayoutModule, result: Float32Array, to: LayoutModule): void {
  const end = from.offsetB + from.outDim * from.rank;
  result.set(values.subarray(from.offsetA, end), to.offsetA);
}

/** Modules whose rank is above min(in, out) rewritten at that rank, the function unchanged up to float32 rounding. */
export function foldExcessRank(adapter: DenseAdapter): DenseAdapter {
  const { layout, values } = adapter;
  if (layout.modules.every((module) => module.rank <= smallerDim(module))) return adapter;
  const target = withRanks(layout, (module) => Math.min(module.rank, smallerDim(module)));
  const result = new Float32Array(target.size);
  layout.modules.forEach((from, index) => {
    const to = target.modules[index]!;
    (to.rank < from.rank ? foldModule : copyModule)(values, from, result, to);
  });
  return { layout: target, values: result };
}
