import { intersectMasks } from '../adapter/masks.js';
import type { Arithmetic } from '../merge/arithmetic.js';
import type { CombinationTerm } from '../merge/combination.js';
import type { SignGroups } from './groups.js';
import { cone, dualWeights } from './project.js';

/** The global step that mutations are made of, restricted to the factor that is mutated. */
export interface GlobalStep {
  /** g = merged adapter minus the one before it, 0 outside the mutated factor. */
  readonly g: Float32Array;
  /** The clients' own update directions (fedqp with several constraints); only their mutated factor takes part. */
  readonly directions: readonly Float32Array[];
  /** 1 in the mutated factor; null: both are mutated. */
  readonly only: Uint8Array | null;
  /** Ranges of the mutated factor alone. */
  readonly groups: SignGroups;
}

/** One client's place in the mutation. */
export interface MutantInput {
  readonly mask: Uint8Array | null;
  /** Where the client's team mutates; inside `mask`. */
  readonly teamMask: Uint8Array | null;
  /** v per group and factor. */
  readonly signs: Float64Array;
}

/** How raw mutations are turned away from the opposite of the global step. */
export interface Projection {
  readonly mutation: 'fedmut' | 'fedqp';
  readonly cone_degrees: number;
  readonly qp_constraints: 'global' | 'clients';
}

/**
 * A mutation x of one client, before alpha, by its coefficients, so that no vector of it is kept:
 * `raw * v[l] * g` on the team's entries, `along * g` and the sum of `rows[k] * directions[k]` on the client's.
 */
export interface Mutation {
  readonly input: MutantInput;
  readonly raw: number;
  readonly along: number;
  readonly rows: readonly number[];
  /** Dual weight of g (fedqp), or the sum of those of the clients' directions. */
  readonly lambda: number;
  /** Inner products of x with itself and with g, and of g with itself, in the client's mask. */
  readonly xx: number;
  readonly xg: number;
  readonly gg: number;
}

/** Inner products that mutations need, each computed once for each mask. */
interface StepProducts {
  /** <g, g> of each range of the groups. */
  squares(mask: Uint8Array | null): Float64Array;
  /** <directions[k], g> of each range, row k after row. */
  alongRows(mask: Uint8Array | null): readonly Float64Array[];
  /** <directions[i], directions[j]> over the mask. */
  gramOfRows(mask: Uint8Array | null): readonly (readonly number[])[];
}

/** Remembers a function of a mask by the mask's identity. */
function byMask<T>(compute: (mask: Uint8Array | null) => T): (mask: Uint8Array | null) => T {
  const known = new Map<Uint8Array | null, T>();
  return (mask) => {
    const value = known.get(mask) ?? compute(mask);
    known.set(mask, value);
    return value;
  };
}

export function stepProducts(
  { g, directions, only, groups }: GlobalStep,
  { gram }: Pick<Arithmetic, 'gram'>,
): StepProducts {
  const { ranges } = groups;
  return {
    squares: byMask((mask) => gram([g], { mask, ranges })),
    alongRows: byMask((mask) =>
      directions.map((row) => gram([g, row], { mask, ranges }).filter((_, at) => at % 4 === 1)),
    ),
    gramOfRows: byMask((mask) => {
      const products = gram(directions, { mask: intersectMasks(mask, only) });
      const n = directions.length;
      return directions.map((_, i) => [...products.subarray(i * n, (i + 1) * n)]);
    }),
  };
}

const total = (products: Float64Array): number => products.reduce((sum, product) => sum + product, 0);

/** The mutation that a client receives: FedMut's, or FedQP's projection of it inside the client's mask. */
export function makeMutation(
  { groups, directions }: GlobalStep,
  products: StepProducts,
  input: MutantInput,
  projection: Projection,
): Mutation {
  const { mask, teamMask, signs } = input;
  const v = groups.ranges.map(({ group, factor }) => signs[2 * group + factor]!);
  const team = products.squares(teamMask);
  /** Sum over the ranges of v^power times a product of each. */
  const signed = (ofRange: Float64Array, power: 1 | 2): number =>
    v.reduce((sum, sign, r) => sum + sign ** power * ofRange[r]!, 0);
  const gg = total(products.squares(mask));
  const mm = signed(team, 2);
  const mg = signed(team, 1);

  if (projection.mutation === 'fedqp' && projection.qp_constraints === 'clients' && directions.length > 0) {
    const gramOfRows = products.gramOfRows(mask);
    const withRaw = products.alongRows(teamMask).map((ofRange) => signed(ofRange, 1));
    const withG = products.alongRows(mask).map(total);
    const rows = dualWeights(gramOfRows, withRaw);
    const dot = (values: readonly number[]): number => rows.reduce((sum, weight, k) => sum + weight * values[k]!, 0);
    const xx = mm + 2 * dot(withRaw) + dot(gramOfRows.map(dot));
    const lambda = rows.reduce((sum, weight) => sum + weight, 0);
    return { input, raw: 1, along: 0, rows, lambda, xx, xg: mg + dot(withG), gg };
  }
  const { m, g } = projection.mutation === 'fedmut' ? { m: 1, g: 0 } : cone({ mm, mg, gg }, projection.cone_degrees);
  const xx = m * m * mm + 2 * m * g * mg + g * g * gg;
  return { input, raw: m, along: g, rows: [], lambda: g, xx, xg: m * mg + g * gg, gg };
}

/** x of a mutation as a combination over the ranges of the groups, with `shift` more of g. */
export function mutationTerms(
  { g, directions, groups: { ranges } }: GlobalStep,
  { input: { mask, teamMask, signs }, raw, along, rows }: Mutation,
  shift = 0,
): CombinationTerm[] {
  const even = (weight: number): Float64Array => new Float64Array(ranges.length).fill(weight);
  const signed = Float64Array.from(ranges, ({ group, factor }) => raw * signs[2 * group + factor]!);
  return [
    { values: g, mask: teamMask ?? mask, weights: signed },
    { values: g, mask, weights: even(along) },
    ...directions.map((values, k) => ({ values, mask, weights: even(rows[k] ?? 0) })),
    { values: g, mask, weights: even(shift) },
  ].filter(({ weights }) => weights.some((weight) => weight !== 0));
}
