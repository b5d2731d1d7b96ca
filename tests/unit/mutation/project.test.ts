import fc from 'fast-check';
import quadprog from 'quadprog';
import { describe, expect, it } from 'vitest';
import '../methods/arbitraries.js';
import { cone, dualWeights, halfSpace } from '../../../src/mutation/project.js';

const N = 6;
const finite = fc.double({ min: -3, max: 3, noNaN: true });
const point = fc.array(finite, { minLength: N, maxLength: N });
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const norm = (a: readonly number[]) => Math.sqrt(dot(a, a));
const distance = (a: readonly number[], b: readonly number[]) => norm(a.map((x, i) => x - b[i]!));
const products = (m: readonly number[], g: readonly number[]) => ({ mm: dot(m, m), mg: dot(m, g), gg: dot(g, g) });

/** The point nearest to `m` with G x >= 0, by a generic solver in the space of x. */
function solve(m: readonly number[], G: readonly (readonly number[])[]): number[] {
  const D = [[], ...m.map((_, i) => [0, ...m.map((_x, j) => Number(i === j))])];
  const A = [[], ...m.map((_, i) => [0, ...G.map((row) => row[i]!)])];
  const { solution } = quadprog.solveQP(D, [0, ...m], A, [0, ...G.map(() => 0)]);
  return solution.slice(1, N + 1);
}

describe("FedQP's closed form", () => {
  it('is what a generic QP solver finds, and never points against g', () => {
    fc.assert(
      fc.property(point, point, (m, g) => {
        fc.pre(norm(g) > 0.1);
        const { g: lambda } = halfSpace(products(m, g));
        const x = m.map((value, i) => value + lambda * g[i]!);
        expect(dot(x, g)).toBeGreaterThanOrEqual(-1e-9);
        expect(distance(x, solve(m, [g]))).toBeLessThan(1e-6);
      }),
    );
  });

  it('by hand: [-1, 2] against g = [2, 0] becomes [0, 2], with lambda 1/2', () => {
    expect(halfSpace({ mm: 5, mg: -2, gg: 4 })).toEqual({ m: 1, g: 0.5 });
  });

  it('leaves alone what points along g, and everything where g is 0', () => {
    expect(halfSpace({ mm: 5, mg: 2, gg: 4 })).toEqual({ m: 1, g: 0 });
    expect(halfSpace({ mm: 5, mg: 0, gg: 0 })).toEqual({ m: 1, g: 0 });
  });
});

describe('the cone', () => {
  const projected = (m: readonly number[], g: readonly number[], degrees: number) => {
    const k = cone(products(m, g), degrees);
    return m.map((value, i) => k.m * value + k.g * g[i]!);
  };

  it('of 90 degrees is the half-space', () => {
    fc.assert(
      fc.property(point, point, (m, g) => {
        expect(cone(products(m, g), 90)).toEqual(halfSpace(products(m, g)));
        fc.pre(norm(g) > 0.1);
        expect(distance(projected(m, g, 89.9999), projected(m, g, 90))).toBeLessThan(1e-4);
      }),
    );
  });

  it('gives a point inside it, and none inside is nearer', () => {
    const degrees = fc.double({ min: 5, max: 89, noNaN: true });
    fc.assert(
      fc.property(point, point, degrees, point, (m, g, angle, other) => {
        fc.pre(norm(g) > 0.1 && norm(m) > 0.1);
        const cosine = Math.cos((angle * Math.PI) / 180);
        const x = projected(m, g, angle);
        expect(dot(x, g)).toBeGreaterThanOrEqual(cosine * norm(x) * norm(g) - 1e-6);
        // Any other point, turned into the cone: its part across g shortened until it is inside.
        const unit = g.map((value) => value / norm(g));
        const along = Math.abs(dot(other, unit));
        const across = other.map((value, i) => value - dot(other, unit) * unit[i]!);
        const most = along * Math.tan((angle * Math.PI) / 180);
        const shrink = norm(across) > most ? most / norm(across) : 1;
        const inside = across.map((value, i) => along * unit[i]! + shrink * value);
        expect(distance(x, m)).toBeLessThanOrEqual(distance(inside, m) + 1e-6);
      }),
    );
  });

  it('keeps what is inside and drops what is behind: by hand at 45 degrees', () => {
    expect(projected([2, 1], [1, 0], 45)).toEqual([2, 1]);
    expect(projected([-2, 1], [1, 0], 45).map(Math.abs)).toEqual([0, 0]);
    const [x, y] = projected([0, 1], [1, 0], 45);
    expect(x).toBeCloseTo(0.5, 12);
    expect(y).toBeCloseTo(0.5, 12);
  });
});

describe('several constraints', () => {
  const combine = (m: readonly number[], G: readonly (readonly number[])[]) => {
    const v = dualWeights(
      G.map((a) => G.map((b) => dot(a, b))),
      G.map((row) => dot(row, m)),
    );
    return { v, x: m.map((value, i) => value + G.reduce((sum, row, k) => sum + v[k]! * row[i]!, 0)) };
  };

  it('of which there is one: the closed form', () => {
    fc.assert(
      fc.property(point, point, (m, g) => {
        fc.pre(norm(g) > 0.1);
        const { g: lambda } = halfSpace(products(m, g));
        expect(combine(m, [g]).v[0]).toBeCloseTo(lambda, 5);
      }),
    );
  });

  it('through the dual: what a generic solver finds in the space itself', () => {
    fc.assert(
      fc.property(point, fc.array(point, { minLength: 2, maxLength: 4 }), (m, G) => {
        fc.pre(G.every((row) => norm(row) > 0.5));
        // Nearly parallel constraints make the dual ill-conditioned, and the answer a matter of the ridge.
        fc.pre(G.every((a, i) => G.every((b, j) => i >= j || Math.abs(dot(a, b)) < 0.9 * norm(a) * norm(b))));
        const { x } = combine(m, G);
        for (const row of G) expect(dot(row, x)).toBeGreaterThanOrEqual(-1e-4);
        const primal = solve(m, G);
        fc.pre(primal.every(Number.isFinite));
        expect(distance(x, m)).toBeLessThanOrEqual(distance(primal, m) + 1e-3);
      }),
    );
  });

  it('copes with equal and with no directions', () => {
    expect(
      combine(
        [-1, 2, 0, 0, 0, 0],
        [
          [2, 0, 0, 0, 0, 0],
          [2, 0, 0, 0, 0, 0],
        ],
      ).x[0],
    ).toBeCloseTo(0, 6);
    expect(combine([-1, 2, 0, 0, 0, 0], [[0, 0, 0, 0, 0, 0]]).v).toEqual([0]);
  });
});
