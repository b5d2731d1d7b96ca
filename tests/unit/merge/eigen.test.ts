import { describe, expect, it } from 'vitest';
import { topEigenvectors } from '../../../src/merge/eigen.js';
import { randomStream } from '../../../src/random.js';

/** A symmetric matrix with these eigenvalues: a diagonal one, reflected at some random planes. */
function withValues(values: readonly number[], seed: number) {
  const size = values.length;
  const random = randomStream(seed, 'planes');
  const entries = new Float64Array(size * size);
  values.forEach((value, i) => {
    entries[i * size + i] = value;
  });
  for (let plane = 0; plane < 3; plane++) {
    const normal = Float64Array.from({ length: size }, () => 2 * random() - 1);
    const square = normal.reduce((sum, x) => sum + x * x, 0);
    // From the left to the columns, then from the right to the rows.
    for (const [along, across] of [
      [size, 1],
      [1, size],
    ] as const) {
      for (let line = 0; line < size; line++) {
        let product = 0;
        for (let k = 0; k < size; k++) product += normal[k]! * entries[line * across + k * along]!;
        for (let k = 0; k < size; k++) entries[line * across + k * along]! -= ((2 * product) / square) * normal[k]!;
      }
    }
  }
  return { size, entries };
}

const times = ({ size, entries }: ReturnType<typeof withValues>, x: Float64Array) =>
  Float64Array.from({ length: size }, (_, row) => x.reduce((sum, v, k) => sum + v * entries[row * size + k]!, 0));
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

describe('the largest eigenvectors', () => {
  const falling = (size: number, of: (i: number) => number) => Array.from({ length: size }, (_, i) => of(i));
  it.each([
    ['a small matrix', falling(20, (i) => 20 - i)],
    ['a spectrum that falls fast', falling(150, (i) => 0.5 ** i)],
    ['a flat spectrum', falling(150, (i) => 2 - i / 150)],
    ['a few large values and noise', falling(200, (i) => (i < 6 ? 10 + i : 1e-3 * (1 + Math.sin(i) ** 2)))],
    ['a low rank', falling(130, (i) => (i < 3 ? 3 - i : 0))],
    ['values that come several times', falling(140, (i) => (i < 3 ? 4 : i < 5 ? 3 : 1 / (i + 1)))],
    ['equal large values far above a flat rest', falling(140, (i) => (i < 8 ? 4 : 0.5 + i / 1000))],
    ['equal values far above a few', falling(140, (i) => (i < 8 ? 4 : i < 30 ? 1 / i : 0))],
    ['the identity', falling(90, () => 1)],
    ['zero', falling(100, () => 0)],
  ])('of %s are orthonormal and take up all that they can', (_, values) => {
    for (const seed of [1, 2, 3]) {
      const matrix = withValues(values, seed);
      for (const count of [1, 4, 8]) {
        const vectors = topEigenvectors(matrix, count);
        const wanted = values.toSorted((a, b) => b - a).slice(0, count);
        expect(vectors).toHaveLength(count);
        vectors.forEach((vector, c) => {
          vectors.forEach((other, d) => {
            expect(dot(vector, other)).toBeCloseTo(c === d ? 1 : 0, 9);
          });
          expect(dot(vector, times(matrix, vector))).toBeCloseTo(wanted[c]!, 6);
        });
      }
    }
  });
});
