import { type Factors, factorMask } from '../adapter/factors.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { maskValues } from '../adapter/masks.js';
import { type Arithmetic, plainArithmetic } from '../merge/arithmetic.js';
import { boundStep } from './bound.js';
import { describeMutant, measureFan } from './fan.js';
import { signGroups } from './groups.js';
import { type GlobalStep, type Mutation, makeMutation, mutationTerms, stepProducts } from './mutant.js';
import { betaAt, type MutationOptions } from './options.js';
import { planReleased } from './released.js';
import { drawSigns, type SignTable } from './signs.js';
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
  /** @default the plain one */
  readonly arithmetic?: Arithmetic;
}

/** The mutation of one round. */
export interface MutationPlan {
  readonly teams: readonly Team[];
  readonly metrics: Readonly<Record<string, unknown>>;
  /** `values` + alpha * x of this client, a new array; undefined where it is not mutated. Every call computes it anew. */
  mutantOf(client: string, values: Float32Array): Float32Array | undefined;
}

/** Below this share of the adapter's norm a global step is noise. */
const NEGLIGIBLE = 1e-12;

/** The factor that is mutated: one a round (B on even rounds, A on odd ones) unless the method averages only one. */
export function mutatedFactors(
  { mutation, mutate }: Pick<MutationOptions, 'mutation' | 'mutate'>,
  averaged: Factors,
  round: number,
): Factors {
  if (averaged !== 'both' || mutate === 'both' || mutation === 'fedmut-released') return averaged;
  return round % 2 === 0 ? 'B' : 'A';
}

/** Each client's mutation, of those who are in a team. */
function makeMutations(
  { options, clients, arithmetic = plainArithmetic }: MutationInput,
  step: GlobalStep,
  teams: readonly Team[],
  signs: SignTable,
): Map<string, Mutation> {
  const products = stepProducts(step, arithmetic);
  const projection = { ...options, mutation: options.mutation === 'fedqp' ? ('fedqp' as const) : ('fedmut' as const) };
  const teamMasks = new Map(teams.flatMap(({ members, mask }) => members.map((id) => [id, mask] as const)));
  return new Map(
    clients.flatMap(({ id, mask }) => {
      const own = signs.get(id);
      if (own === undefined) return [];
      const input = { mask, teamMask: teamMasks.get(id) ?? null, signs: own };
      return [[id, makeMutation(step, products, input, projection)] as const];
    }),
  );
}

/**
 * Signs, projections and the strength of one round's mutation (FedMut, AAAI 2024; FedQP, arXiv 2411.15847), as
 * docs/methods.md defines them; null where there is nothing to mutate along.
 */
export function planMutation(input: MutationInput): MutationPlan | null {
  const { layout, options, theta, factors, random, clients, arithmetic = plainArithmetic } = input;
  const size = options.mutate === 'both' && factors === 'both' ? 4 : 2;
  const formed = (): Team[] => formTeams(clients, size, random, arithmetic);
  // The weights of a mutated round without the mutation.
  if (options.mutation === 'pairs') return { teams: formed(), metrics: {}, mutantOf: () => undefined };
  const only = factorMask(layout, factors);
  const whole = only === null ? input.step : maskValues(input.step, only);
  const squaredNorm = (values: Float32Array): number => arithmetic.gram([values])[0]!;
  if (Math.sqrt(squaredNorm(whole)) <= NEGLIGIBLE * Math.sqrt(squaredNorm(theta))) return null;
  if (options.mutation === 'fedmut-released') return planReleased({ ...input, arithmetic });
  const teams = formed();
  if (teams.length === 0) return null;
  const groups = signGroups(layout, options.mutation_groups, factors);
  const { g, bounded } = boundStep(whole, theta, groups.ranges, options, arithmetic);
  const gg = squaredNorm(g);
  if (gg === 0) return null;
  const beta = betaAt(options, input.round - 1, input.numRounds);
  const signs = drawSigns(teams, groups, beta, random);
  const step: GlobalStep = { g, directions: input.directions, only, groups };
  const mutations = makeMutations(input, step, teams, signs);
  const { c, angle, remainder } = measureFan(step, [...mutations.values()], gg, input.numClients, arithmetic);
  const cap = options.momentum_cap;
  const alpha = cap !== null && c > 0 ? Math.min(options.alpha, cap / c) : options.alpha;
  const shift = options.centered ? c : 0;
  return {
    teams,
    metrics: {
      factors,
      beta,
      alpha,
      bounded,
      c,
      meanAngle: angle,
      remainder,
      stepNorm: Math.sqrt(gg),
      teams: teams.map(({ members }) => members),
      mutants: Object.fromEntries(
        [...mutations].map(([id, mutation]) => [id, describeMutant(mutation, alpha, shift)] as const),
      ),
    },
    mutantOf(client, values) {
      const mutation = mutations.get(client);
      if (mutation === undefined) return undefined;
      return arithmetic.addCombination(values, mutationTerms(step, mutation, -shift), groups.ranges, alpha);
    },
  };
}
