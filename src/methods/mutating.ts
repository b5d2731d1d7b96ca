import type { Factors } from '../adapter/factors.js';
import type { AdapterLayout } from '../adapter/layout.js';
import type { Arithmetic } from '../merge/arithmetic.js';
import type { MergeRow } from '../merge/mean.js';
import { firstMutatedRound, type MutationOptions } from '../mutation/options.js';
import { type MutationPlan, mutatedFactors, planMutation } from '../mutation/plan.js';
import type { MutableClient } from '../mutation/teams.js';
import type { RoundContext, StateDocument } from './method.js';

/** A merge that is over, as the next mutation needs it. */
export interface EndedRound {
  /** Of whom the rows are. */
  readonly ids: readonly string[];
  readonly rows: readonly MergeRow[];
  readonly before: Float32Array;
  readonly after: Float32Array;
  /** 1 where the merge averaged; null: everywhere. */
  readonly only: Uint8Array | null;
  readonly round: number;
}

/** Mutation around a merge: what goes out in place of the merged adapter, and how what comes back is weighed. */
export interface Mutating {
  /** Plans the round; returns a client's mutant of `theta`, or undefined where it gets none. Call once for each client. */
  begin(
    context: RoundContext,
    clients: readonly MutableClient[],
    theta: Float32Array,
  ): (client: string) => Float32Array | undefined;
  /** All members of a complete team weigh their mean, or their mutations would not cancel. */
  weigh(ids: readonly string[], rows: readonly MergeRow[]): readonly MergeRow[];
  /** Learns the global step; returns what is logged of the round's mutation. */
  end(round: EndedRound): Readonly<Record<string, unknown>>;
  state(): StateDocument;
  restore(state: StateDocument): void;
}

interface Memory {
  /** The last global step g; null before the first merge. */
  readonly step: Float32Array | null;
  /** The clients' own updates of the last round, where the mutation is constrained by them. */
  readonly directions: readonly Float32Array[];
  /** Round whose results are merged; 0 before the first. */
  readonly merged: number;
}

/** The clients' update directions: 0 outside their masks and of factors that did not travel. */
function directionsOf({ rows, before, only }: EndedRound): Float32Array[] {
  return rows.map(({ values, mask }) => {
    const direction = new Float32Array(values.length);
    // A loop, as this runs over every update.
    for (let p = 0; p < values.length; p++) {
      if ((mask === null || mask[p] === 1) && (only === null || only[p] === 1)) direction[p] = values[p]! - before[p]!;
    }
    return direction;
  });
}

/** Mutation of a method that averages `averages(round)`. */
export function mutating(
  layout: AdapterLayout,
  options: MutationOptions,
  arithmetic: Arithmetic,
  averages: (round: number) => Factors,
): Mutating {
  let memory: Memory = { step: null, directions: [], merged: 0 };
  // Between `begin` and `end` of a round.
  let plan: MutationPlan | null = null;

  return {
    begin(context, clients, theta) {
      const { step, directions, merged } = memory;
      plan =
        step === null || context.round < firstMutatedRound(options)
          ? null
          : planMutation({
              layout,
              options,
              arithmetic,
              round: context.round,
              numRounds: context.numRounds,
              clients,
              numClients: context.clients.length,
              theta,
              step,
              directions,
              factors: mutatedFactors(options, averages(merged), context.round),
              random: context.random('mutation'),
            });
      return (client) => plan?.mutantOf(client, theta);
    },

    weigh(ids, rows) {
      const places = new Map(ids.map((id, place) => [id, place]));
      const weighed = [...rows];
      for (const { members } of plan?.teams ?? []) {
        if (!members.every((id) => places.has(id))) continue;
        const team = members.map((id) => places.get(id)!);
        const weight = team.reduce((sum, place) => sum + rows[place]!.weight, 0) / team.length;
        for (const place of team) weighed[place] = { ...rows[place]!, weight };
      }
      return weighed;
    },

    end(ended) {
      const { before, after, round, ids } = ended;
      const [metrics, teams] = [plan?.metrics, plan?.teams ?? []];
      // The last round's directions go before this round's come.
      plan = null;
      memory = { ...memory, directions: [] };
      memory = {
        step: after.map((value, p) => value - before[p]!),
        directions: options.qp_constraints === 'clients' ? directionsOf(ended) : [],
        merged: round,
      };
      if (metrics === undefined) return {};
      const present = new Set(ids);
      const unbalanced = teams.filter(
        ({ members }) => members.some((id) => present.has(id)) && !members.every((id) => present.has(id)),
      ).length;
      return { mutation: { ...metrics, unbalanced } };
    },

    state: () => memory,
    restore(state) {
      memory = state as Memory;
      plan = null;
    },
  };
}
