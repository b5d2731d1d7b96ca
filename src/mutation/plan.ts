import { type Factors, factorMask } from '../adapter/factors.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { maskValues } from '../adapter/masks.js';
import type { Arithmetic } from '../merge/arithmetic.js';
import { signGroups } from './groups.js';
import { addMasked, type GlobalStep, type MutantInput, makeMutant, maskedDot } from './mutant.js';
import type { MutationOptions } from './options.js';
import { drawSigns } from './signs.js';
import { formTeams, type MutableClient, type Team } from './teams.js';

/** What a mutation is made from. */
export interface MutationInput {
  readonly layout: AdapterLayout;
  readonly options: MutationOptions;
  /** The round that trains the mutants; the merge was one round earlier. */
  readonly round: number;
  readonly numRounds: number;
  /** Clients that can be mutated, sorted by id. */
  readonly clients: readonly MutableClient[];
  /** All clients of the round; those who are not mutated count in the mutants' mean. */
  readonly numClients: number;
  /** The merged adapter and the step that led to it. */
  readonly theta: Float32Array;
  readonly step: Float32Array;
  /** The clients' updates in the last round (`qp_constraints: clients`). */
  readonly directions: readonly Float32Array[];
  /** The factor whose g is mutated this round. */
  readonly factors: Factors;
  readonly random: () => number;
  readonly arithmetic?: Arithmetic;
}

/** The mutation of one round. */
export interface MutationPlan {
  readonly teams: readonly Team[];
  readonly metrics: Readonly<Record<string, unknown>>;
  /** `values` + alpha * x of this client; the same array where it is not mutated. */
  apply(client: string, values: Float32Array): Float32Array;
  /** The same; undefined where it is not mutated. */
  mutantOf(client: string, values: Float32Array): Float32Array | undefined;
}

/** Below this share of the adapter's norm a global step is noise. */
const NEGLIGIBLE = 1e-12;

/** The factor that is mutated: one a round (B on even rounds, A on odd ones) unless the method averages only one. */
export function mutatedFactors(mutate: 'alternate' | 'both', averaged: Factors, round: number): Factors {
  if (averaged !== 'both' || mutate === 'both') return averaged;
  return round % 2 === 0 ? 'B' : 'A';
}

/** beta_t = beta_0 * max(0, 1 - t / T_b). */
export function betaAt(options: MutationOptions, t: number, numRounds: number): number {
  return (options.beta_0 ?? 0) * Math.max(0, 1 - t / (options.mutation_decay ?? numRounds));
}

const degrees = (cosine: number): number => (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI;

/**
 * Signs, projections and the strength of one round's mutation (FedMut, AAAI 2024; FedQP, arXiv 2411.15847), as
 * docs/methods.md defines them; null where there is nothing to mutate along.
 */
export function planMutation(input: MutationInput): MutationPlan | null {
  const { layout, options, theta, factors, random, clients } = input;
  const only = factorMask(layout, factors);
  const g = only === null ? input.step : maskValues(input.step, only);
  const gg = maskedDot(g, g, null);
  if (Math.sqrt(gg) <= NEGLIGIBLE * Math.sqrt(maskedDot(theta, theta, null))) return null;
  const groups = signGroups(layout, options.mutation_groups);
  const teams = formTeams(clients, options.mutate === 'both' && factors === 'both' ? 4 : 2, random);
  if (teams.length === 0) return null;
  const beta = betaAt(options, input.round - 1, input.numRounds);
  const signs = drawSigns(teams, groups, beta, random);
  const directions = input.directions.map((row) => maskValues(row, only));
  const step: GlobalStep = { g, directions, groups };
  const projection = { ...options, mutation: options.mutation === 'fedqp' ? ('fedqp' as const) : ('fedmut' as const) };
  const inputs = new Map(
    clients.map(({ id, mask }): [string, MutantInput] => {
      const team = teams.find(({ members }) => members.includes(id));
      return [id, { mask, teamMask: team?.mask ?? null, signs: signs.get(id) ?? null }];
    }),
  );
  const fan = measureFan(step, inputs, projection, gg, input.numClients);
  const cap = options.momentum_cap;
  const alpha = cap !== null && fan.c > 0 ? Math.min(options.alpha, cap / fan.c) : options.alpha;
  const apply = (client: string, values: Float32Array): Float32Array => {
    const mutant = inputs.get(client);
    if (mutant === undefined || mutant.signs === null) return values;
    const { x } = makeMutant(step, mutant, projection);
    if (options.centered) addMasked(x, g, -fan.c, mutant.mask);
    return values.map((value, p) => value + alpha * x[p]!);
  };
  return {
    teams,
    metrics: {
      factors,
      beta,
      alpha,
      c: fan.c,
      meanAngle: fan.angle,
      remainder: fan.remainder,
      stepNorm: Math.sqrt(gg),
      teams: teams.map(({ members }) => members),
      mutants: Object.fromEntries(
        fan.mutants.map((mutant) => [mutant.id, describeMutant(mutant, alpha, options.centered ? fan.c : 0)]),
      ),
    },
    apply,
    mutantOf(client, values) {
      const mutant = apply(client, values);
      return mutant === values ? undefined : mutant;
    },
  };
}

interface Fan {
  /** Mean step of the mutants along g, in units of g. */
  readonly c: number;
  /** Angle in degrees between the mutants' mean and g. */
  readonly angle: number;
  /** Norm of what of the mean is off g's axis, in units of |g|. */
  readonly remainder: number;
  readonly mutants: readonly FanMutant[];
}

/** Inner products of one mutation x, before alpha, with itself and with g inside its client's mask. */
interface FanMutant {
  readonly id: string;
  readonly lambda: number;
  readonly xx: number;
  readonly xg: number;
  readonly gg: number;
}

/** What is logged of the mutant alpha * (x - shift * g): its length and its angle to g. */
function describeMutant({ lambda, xx, xg, gg }: FanMutant, alpha: number, shift: number) {
  const norm = Math.sqrt(Math.max(0, xx - 2 * shift * xg + shift * shift * gg));
  const cosine = norm > 0 && gg > 0 ? (xg - shift * gg) / (norm * Math.sqrt(gg)) : 0;
  return { lambda, angle: degrees(cosine), norm: alpha * norm };
}

function measureFan(
  step: GlobalStep,
  inputs: ReadonlyMap<string, MutantInput>,
  projection: Parameters<typeof makeMutant>[2],
  gg: number,
  numClients: number,
): Fan {
  const mean = new Float64Array(step.g.length);
  const mutants: FanMutant[] = [];
  for (const [id, mutant] of inputs) {
    if (mutant.signs === null) continue;
    const { x, lambda } = makeMutant(step, mutant, projection);
    for (let p = 0; p < x.length; p++) mean[p]! += x[p]! / numClients;
    const { mask } = mutant;
    mutants.push({
      id,
      lambda,
      xx: maskedDot(x, x, null),
      xg: maskedDot(x, step.g, mask),
      gg: maskedDot(step.g, step.g, mask),
    });
  }
  const along = maskedDot(mean, step.g, null);
  const meanNorm = maskedDot(mean, mean, null);
  const c = along / gg;
  return {
    c,
    angle: meanNorm > 0 ? degrees(along / Math.sqrt(meanNorm * gg)) : 90,
    remainder: Math.sqrt(Math.max(0, meanNorm - c * c * gg) / gg),
    mutants,
  };
}
