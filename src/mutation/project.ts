import quadprog from 'quadprog';
import { FedtuneError } from '../errors.js';

/** A mutation's inner products: with itself, with the global step g, and of g with itself. */
export interface Products {
  readonly mm: number;
  readonly mg: number;
  readonly gg: number;
}

/** The projected mutation is x = m * mutation + g * step. */
export interface Coefficients {
  readonly m: number;
  readonly g: number;
}

/**
 * FedQP (arXiv 2411.15847): the mutation nearest to `mut` with <x, g> >= 0; x = mut + lambda g with the dual
 * lambda = max(0, -<mut, g> / |g|^2).
 */
export function halfSpace({ mg, gg }: Products): Coefficients {
  return { m: 1, g: gg > 0 ? Math.max(0, -mg / gg) : 0 };
}

/**
 * The point of the cone of half-angle `degrees` around g that is nearest to the mutation (this project's narrower fan;
 * 90 degrees is the half-space): inside, the mutation itself; behind the polar cone, zero; else onto the surface.
 */
export function cone(products: Products, degrees: number): Coefficients {
  if (degrees === 90) return halfSpace(products);
  const { mm, mg, gg } = products;
  if (!(gg > 0)) return { m: 0, g: 0 };
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const norm = Math.sqrt(gg);
  const along = mg / norm;
  const length = Math.sqrt(mm);
  if (along >= cos * length) return { m: 1, g: 0 };
  if (along <= -sin * length) return { m: 0, g: 0 };
  const across = Math.sqrt(Math.max(0, mm - along * along));
  const tau = along * cos + across * sin;
  const m = (tau * sin) / across;
  return { m, g: (tau * cos - m * along) / norm };
}

/** Weight of the ridge that keeps a rank-deficient Gram matrix solvable, relative to its trace. */
const RIDGE = 1e-8;

/**
 * Several constraints, after GEM (Lopez-Paz and Ranzato, 2017): the weights v >= 0 of the rows of G for which
 * x = mut + G'v is nearest to mut with Gx >= 0. `gram` is GG', `products` is G mut. Throws FedtuneError QP_FAILED.
 */
export function dualWeights(gram: readonly (readonly number[])[], products: readonly number[]): number[] {
  const n = products.length;
  const trace = gram.reduce((sum, row, i) => sum + row[i]!, 0);
  if (!(trace > 0)) return products.map(() => 0);
  // Solved in units of the trace, so that the solver's absolute tolerances fit; v does not change by it.
  const D = gram.map((row, i) => [0, ...row.map((value, j) => value / trace + (i === j ? RIDGE : 0))]);
  const identity = gram.map((_, i) => [0, ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))]);
  const d = [0, ...products.map((value) => -value / trace)];
  const zeros = Array.from({ length: n + 1 }, () => 0);
  const { solution, message } = quadprog.solveQP([[], ...D], d, [[], ...identity], zeros);
  if (message !== '') {
    throw new FedtuneError(
      'QP_FAILED',
      `The quadratic program of ${n} client constraints has no solution (${message}); set qp_constraints: global.`,
    );
  }
  return solution.slice(1).map((value) => Math.max(0, value));
}
