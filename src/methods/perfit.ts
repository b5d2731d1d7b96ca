import { z } from 'zod';
import { expandRanks } from '../adapter/init.js';
import type { Adapter } from '../adapter/layout.js';
import { countOnes, maskValues } from '../adapter/masks.js';
import { packPart, unpackPart } from '../adapter/part.js';
import { ConfigError } from '../errors.js';
import { meanOverlap } from '../merge/overlap.js';
import { byCode } from '../order.js';
import { averaging } from './averaging.js';
import type { ClientInfo, OptionsOf, Sending, ServerInit } from './method.js';
import { noteOf, partOf } from './updates.js';
import type { SearchPhase } from './work.js';

const count = z.int().positive();

const options = {
  expansion: z
    .int()
    .min(1)
    .max(64)
    .default(2)
    .describe('perfit: factor by which the rank is expanded before the search.'),
  warmup_steps: z
    .int()
    .min(0)
    .nullable()
    .default(null)
    .describe('perfit: optimizer steps before scoring; null: 3 in round 1, where B is 0, none later.'),
  importance_samples: count
    .nullable()
    .default(null)
    .describe("perfit: examples that score; null: min(100, 32 % of the client's), at least 8."),
  stages: count.max(64).default(1).describe('perfit: stages of pruning.'),
  prune_score: z
    .enum(['taylor', 'magnitude', 'random'])
    .default('taylor')
    .describe('perfit: entries are kept by |value * gradient|, by size, or by chance (a control).'),
  prune: z.enum(['element', 'rank']).default('element').describe('perfit: prune entries or whole rank components.'),
  prune_scope: z
    .enum(['module', 'global'])
    .default('module')
    .describe('perfit: rank entries within a module or over all.'),
  prune_factors: z
    .enum(['both', 'B'])
    .default('both')
    .describe('perfit: prune both factors, or B alone and train all of A.'),
  rewind: z.boolean().default(true).describe('perfit: go back to the received values after the search.'),
  search_round: count
    .nullable()
    .default(null)
    .describe(
      'perfit: first round that searches; before it the expanded adapter is trained whole. null: after half the rounds.',
    ),
  self_share: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('perfit: share of its own last adapter in what a client starts from; the rest is the merged one.'),
  self_share_course: z
    .enum(['constant', 'rising'])
    .default('constant')
    .describe('perfit: that share in every round, or rising to it from 0 over the rounds.'),
  search_every: z.int().min(0).default(0).describe('perfit: search again every so many rounds; 0: once.'),
};
type Options = OptionsOf<typeof options>;

/** What a client keeps: its own mask, once it has searched. */
interface Own {
  readonly mask: Uint8Array | null;
  /** Its adapter as its last round of training left it, where it has a share in the next. */
  readonly last?: { readonly round: number; readonly values: Float32Array };
}
/** What the server says beside the adapter. */
const noteSchema = z.object({ search: z.boolean() });
type Note = z.output<typeof noteSchema>;

/** Optimizer steps before scores of a fresh adapter, whose B is 0. */
const FRESH_WARMUP = 3;

/** Share of a client's examples that score entries, and the bounds of their number. */
const SAMPLE_SHARE = 0.32;
const MIN_SAMPLES = 8;
const MAX_SAMPLES = 100;

/** Examples whose mean gradient scores a client's entries: min(100, 32 % of its own), at least 8, at most all. */
export function importanceSamples(numTrain: number, wanted: number | null): number {
  const samples = wanted ?? Math.max(MIN_SAMPLES, Math.min(MAX_SAMPLES, Math.round(SAMPLE_SHARE * numTrain)));
  return Math.min(samples, numTrain);
}

/** The first round that searches. */
const firstSearch = ({ search_round: given }: Options, numRounds: number): number =>
  given ?? 1 + Math.floor(numRounds / 2);

function requireRoom({ clients, layout, options: { expansion } }: ServerInit<Options>): void {
  const least = layout.modules.reduce((rank, module) => Math.min(rank, module.rank), Number.POSITIVE_INFINITY);
  const most = least * expansion;
  const greedy = clients.find(({ rank }) => rank > most);
  if (greedy === undefined) return;
  throw new ConfigError(
    `Expected rank budgets of at most lora_r * expansion = ${most} with perfit but ${greedy.id} has ${greedy.rank}; raise expansion or lower rank_per_client.`,
    { code: 'RANK_ABOVE_EXPANSION' },
  );
}

/**
 * PerFIT (arXiv 2402.16919): every client searches its own architecture inside an adapter of `expansion` times the rank,
 * trains only that, and the server merges each entry over the clients that have it. The steps are in docs/methods.md.
 */
export const perfit = averaging({
  id: 'perfit',
  summary: 'Each client searches its own sparse architecture in a wider adapter; entries are merged over who has them.',
  capabilities: {
    gives: ['personalized'],
    aligned: true,
    mixedRanks: true,
    robust: true,
    rebasable: true,
    mutable: true,
  },
  options,
  turn: firstSearch,

  server(init) {
    requireRoom(init);
    const { search_every: every, expansion } = init.options;
    const first = firstSearch(init.options, init.numRounds);
    const start = expandRanks(init.layout, init.initial, (rank) => rank * expansion, init.seed);
    const { layout } = start;
    let masks: ReadonlyMap<string, Uint8Array> = new Map();

    const searches = ({ id }: ClientInfo, round: number): boolean => {
      if (round < first) return false;
      return !masks.has(id) || (every > 0 && round > first && (round - first) % every === 0);
    };

    return {
      start,
      maskOf: ({ id }) => masks.get(id) ?? null,
      // Whoever searches now, or has no mask yet, gets the dense adapter as it is.
      isMutable: (client, round) => round < first || !searches(client, round),
      send({ client, round, values, isMutant, share }) {
        const search = searches(client, round);
        const note: Note = { search };
        const mask = search ? null : (masks.get(client.id) ?? null);
        const pack = () => packPart({ layout, values, mask });
        return { parts: { adapter: mask === null && !isMutant ? share('adapter', pack) : pack() }, note };
      },
      /** An update may belong to an earlier round than the one it joins, so its own mask says whether its client searched. */
      meet({ took }) {
        const searched = took.filter(({ client, mask }) => mask !== null && mask !== masks.get(client.id));
        if (searched.length === 0) return {};
        masks = new Map([...masks, ...searched.map(({ client, mask }) => [client.id, mask!] as const)]);
        const sorted = [...masks].sort(([a], [b]) => byCode(a, b)).map(([, mask]) => mask);
        const kept = searched.map(({ client, mask }) => [client.id, countOnes(mask!) / layout.size]);
        return { kept: Object.fromEntries(kept), meanOverlap: meanOverlap(sorted, init.arithmetic) };
      },
      masks: () => masks,
      state: () => Object.fromEntries(masks),
      restore(state) {
        masks = new Map(Object.entries(state as Record<string, Uint8Array>));
      },
    };
  },

  client({ layout, numRounds, options: own }) {
    const read = ({ parts }: Sending, state: Own | undefined): Adapter =>
      unpackPart(partOf(parts, 'adapter', 'the server'), layout, { mask: state?.mask ?? null });
    const shareOf = (round: number): number =>
      own.self_share * (own.self_share_course === 'rising' ? (round - 1) / numRounds : 1);
    /** kappa theta_i + (1 - kappa) theta inside the mask: what a client starts a round from, and has after the last. */
    const blend = (merged: Adapter, { mask, last }: Own, round: number): Adapter => {
      const share = shareOf(round);
      const values =
        last === undefined
          ? merged.values
          : merged.values.map((value, p) => share * last.values[p]! + (1 - share) * value);
      return { ...merged, values: maskValues(values, mask), mask };
    };
    return {
      open(received, state: Own | undefined, { round }) {
        const merged = read(received, state);
        // What is searched in is the merged adapter, all of it.
        const isSearch = noteOf(noteSchema, received, 'the server').search;
        return isSearch || state === undefined ? merged : blend(merged, state, round);
      },
      phases({ received, context }) {
        const training = context.trainPhase();
        if (!noteOf(noteSchema, received, 'the server').search) return [training];
        const { kind: _, ...warmup } = context.trainPhase({
          steps: own.warmup_steps ?? (context.round === 1 ? FRESH_WARMUP : 0),
        });
        const search: SearchPhase = {
          kind: 'search',
          warmup,
          importanceSamples: importanceSamples(context.client.numTrain, own.importance_samples),
          stages: own.stages,
          score: own.prune_score,
          prune: own.prune,
          scope: own.prune_scope,
          factors: own.prune_factors,
          budgetRank: context.client.rank,
          rewind: own.rewind,
        };
        return [search, training];
      },
      /** An update says which entries it holds: the mask travels with the values. */
      upload: ({ main }) => ({
        adapter: packPart(main.adapter, { mask: own.prune_factors === 'B' ? 'element' : own.prune }),
      }),
      keep: ({ main: { adapter }, context: { round } }): Own => ({
        mask: adapter.mask,
        ...(own.self_share > 0 ? { last: { round, values: adapter.values } } : {}),
      }),
      adapters(offered, state: Own | undefined) {
        const merged = read(offered, state);
        return { personalized: state === undefined ? merged : blend(merged, state, (state.last?.round ?? 0) + 1) };
      },
    };
  },
});
