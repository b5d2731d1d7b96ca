import type { SignGroups } from './groups.js';
import { type Coefficients, cone, dualWeights, type Products } from './project.js';

/** The global step that mutations are made of, restricted to the factor that is mutated. */
export interface GlobalStep {
  /** g = merged adapter minus the one before it, 0 outside the mutated factor. */
  readonly g: Float32Array;
  /** The clients' own update directions (fedqp with several constraints), restricted likewise. */
  readonly directions: readonly Float32Array[];
  readonly groups: SignGroups;
}

/** One client's place in the mutation. */
export interface MutantInput {
  readonly mask: Uint8Array | null;
  /** Where the client's team mutates; inside `mask`. */
  readonly teamMask: Uint8Array | null;
  /** v per group and factor; null: in no team, gets no mutation. */
  readonly signs: Float64Array | null;
}

/** How raw mutations are turned away from the opposite of the global step. */
export interface Projection {
  readonly mutation: 'fedmut' | 'fedqp';
  readonly cone_degrees: number;
  readonly qp_constraints: 'global' | 'clients';
}

/** A mutation of one client in float64: x, and the dual weight(s) that made it. */
export interface Mutant {
  readonly x: Float64Array;
  /** Dual weight of g (fedqp), or the sum of those of the clients' directions. */
  readonly lambda: number;
}

const inside = (mask: Uint8Array | null, p: number): boolean => mask === null || mask[p] === 1;

/** The raw mutation v[l] * g[l] on the team's entries. */
function rawMutation({ g, groups }: GlobalStep, { teamMask, signs }: MutantInput): Float64Array {
  const x = new Float64Array(g.length);
  if (signs === null) return x;
  for (const { start, end, group, factor } of groups.ranges) {
    const v = signs[2 * group + factor]!;
    for (let p = start; p < end; p++) if (inside(teamMask, p)) x[p] = v * g[p]!;
  }
  return x;
}

/** <a, b> over the entries of a mask, in float64. */
export function maskedDot(
  a: Float32Array | Float64Array,
  b: Float32Array | Float64Array,
  mask: Uint8Array | null,
): number {
  let sum = 0;
  for (let p = 0; p < a.length; p++) if (inside(mask, p)) sum += a[p]! * b[p]!;
  return sum;
}

/** x += weight * row on the entries of a mask. */
export function addMasked(x: Float64Array, row: Float32Array, weight: number, mask: Uint8Array | null): void {
  if (weight === 0) return;
  for (let p = 0; p < x.length; p++) if (inside(mask, p)) x[p]! += weight * row[p]!;
}

function projectOnClients(x: Float64Array, step: GlobalStep, mask: Uint8Array | null): number {
  const gram = step.directions.map((a) => step.directions.map((b) => maskedDot(a, b, mask)));
  const weights = dualWeights(
    gram,
    step.directions.map((row) => maskedDot(row, x, mask)),
  );
  step.directions.forEach((row, k) => {
    addMasked(x, row, weights[k]!, mask);
  });
  return weights.reduce((sum, weight) => sum + weight, 0);
}

/** The mutation that a client receives, before alpha: FedMut's, or FedQP's projection of it inside the client's mask. */
export function makeMutant(step: GlobalStep, input: MutantInput, projection: Projection): Mutant {
  const x = rawMutation(step, input);
  if (projection.mutation === 'fedmut' || input.signs === null) return { x, lambda: 0 };
  const { mask } = input;
  if (projection.qp_constraints === 'clients' && step.directions.length > 0) {
    return { x, lambda: projectOnClients(x, step, mask) };
  }
  const products: Products = {
    mm: maskedDot(x, x, mask),
    mg: maskedDot(x, step.g, mask),
    gg: maskedDot(step.g, step.g, mask),
  };
  const { m, g }: Coefficients = cone(products, projection.cone_degrees);
  if (m !== 1) for (let p = 0; p < x.length; p++) x[p]! *= m;
  addMasked(x, step.g, g, mask);
  return { x, lambda: g };
}
