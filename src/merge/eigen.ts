import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { randomStream } from '../random.js';

/** A symmetric matrix, row-major. */
export interface Symmetric {
  readonly size: number;
  readonly entries: Float64Array;
}

/** Orthonormal vectors, the largest value first. */
interface Eigenpairs {
  readonly values: readonly number[];
  readonly vectors: readonly Float64Array[];
}

/** Up to this size all eigenvectors are computed. */
const SMALL = 64;
/** Vectors are found once what a product with the matrix leaves of them is this small beside the largest value. */
const RESIDUAL = 1e-9;
/** A larger value than the smallest that was found, by this share of the largest, was missed. */
const MISSED = 1e-7;
const PROBE_STEPS = 20;

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

function addTo(a: Float64Array, weight: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += weight * b[i]!;
}

/** Takes what lies along some orthonormal vectors off a vector, twice against rounding; returns the rest's length. */
export function orthogonalize(vector: Float64Array, others: readonly Float64Array[]): number {
  for (let pass = 0; pass < 2; pass++) for (const other of others) addTo(vector, -dot(vector, other), other);
  return Math.sqrt(dot(vector, vector));
}

function combine(vectors: readonly Float64Array[], weights: (k: number) => number): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  vectors.forEach((vector, k) => {
    addTo(sum, weights(k), vector);
  });
  return sum;
}

function all(matrix: Matrix, count: number): Eigenpairs {
  // Rising.
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  const last = matrix.rows - 1;
  return {
    values: realEigenvalues.toReversed().slice(0, count),
    vectors: Array.from({ length: count }, (_, c) => Float64Array.from(eigenvectorMatrix.getColumn(last - c))),
  };
}

/**
 * Lanczos with every new vector made orthogonal to all before it and to `locked` ones: the eigenpairs of the matrix on the
 * space that `steps` products reach from a random vector, or once `count` of them are found.
 */
function lanczos(
  { size, entries }: Symmetric,
  count: number,
  steps: number,
  locked: readonly Float64Array[],
): Eigenpairs {
  const random = randomStream(1, 'lanczos', size, locked.length);
  const basis: Float64Array[] = [];
  const [diagonal, beside]: [number[], number[]] = [[], []];
  const next = (vector: Float64Array): { vector: Float64Array; length: number } => {
    const length = orthogonalize(vector, [...locked, ...basis]);
    return { vector: vector.map((x) => x / length), length };
  };
  const fresh = () => next(Float64Array.from({ length: size }, () => 2 * random() - 1)).vector;
  let vector = fresh();
  let check = count + PROBE_STEPS;
  for (;;) {
    basis.push(vector);
    const product = new Float64Array(size);
    for (let row = 0; row < size; row++) product[row] = dot(entries.subarray(row * size, (row + 1) * size), vector);
    diagonal.push(dot(product, vector));
    const m = basis.length;
    const isLast = m === steps || m + locked.length === size;
    const following = isLast ? { vector, length: 0 } : next(product);
    const largest = diagonal.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    // Nothing left of it: the space is closed, and another vector opens a new one.
    const isClosed = !(following.length > Number.EPSILON * size * largest);
    if (isLast || m >= check) {
      const tridiagonal = Matrix.zeros(m, m);
      diagonal.forEach((x, k) => {
        tridiagonal.set(k, k, x);
      });
      beside.forEach((x, k) => {
        tridiagonal.set(k, k + 1, x);
        tridiagonal.set(k + 1, k, x);
      });
      const { values, vectors } = all(tridiagonal, Math.min(count, m));
      const found = vectors.every((ritz) => Math.abs(following.length * ritz[m - 1]!) <= RESIDUAL * values[0]!);
      if (isLast || found) return { values, vectors: vectors.map((ritz) => combine(basis, (k) => ritz[k]!)) };
      check = Math.ceil(1.4 * m);
    }
    beside.push(isClosed ? 0 : following.length);
    vector = isClosed ? fresh() : following.vector;
  }
}

/**
 * Eigenvectors of the `count` largest eigenvalues of a symmetric matrix without negative ones, largest first. Large matrices
 * go through Lanczos, which sees but one vector of several with the same value: a second search in what is left tells.
 */
export function topEigenvectors(matrix: Symmetric, count: number): readonly Float64Array[] {
  const { size, entries } = matrix;
  const whole = () => all(Matrix.from1DArray(size, size, entries), count).vectors;
  if (size <= Math.max(SMALL, 2 * count)) return whole();
  const { values, vectors } = lanczos(matrix, count, size, []);
  const { values: left } = lanczos(matrix, 1, PROBE_STEPS, vectors);
  return left[0]! > values.at(-1)! + MISSED * values[0]! ? whole() : vectors;
}
