import { z } from 'zod';
import type { DenseAdapter } from '../adapter/components.js';
import { initialValues } from '../adapter/init.js';
import { type AdapterLayout, withRanks } from '../adapter/layout.js';
import { packPart, unpackPart } from '../adapter/part.js';
import type { Arithmetic } from '../merge/arithmetic.js';
import type { WeightedAdapter } from '../merge/productSum.js';
import { detachBranch, FrozenBranch, joinBranch } from './branch.js';
import {
  type ClientInfo,
  type ClientUpdate,
  defineMethod,
  type Method,
  type MethodInit,
  type OptionsOf,
  type RoundContext,
  type Sending,
  type Shape,
} from './method.js';
import { trackOf } from './tracks.js';
import { checkUpdates, noteOf, partOf } from './updates.js';
import { clientWeight } from './weights.js';

/** What the server says beside the branch: rounds merged so far, which seed the next fresh adapter. */
const noteSchema = z.object({ merged: z.int().min(0) });
type Note = z.output<typeof noteSchema>;

const layoutOf = ({ layout }: MethodInit<unknown>, rank: number): AdapterLayout => withRanks(layout, () => rank);

/** The fresh adapter of a round, equal for everybody who knows the seed. */
function fresh(init: MethodInit<unknown>, rank: number, merged: number): DenseAdapter {
  const layout = layoutOf(init, rank);
  return { layout, values: initialValues(layout, init.seed, ...(merged > 0 ? [merged] : [])) };
}

/** The client's fresh adapter with the branch that it received behind it. */
function open(init: MethodInit<unknown>, received: Sending, { rank }: ClientInfo) {
  const { merged } = noteOf(noteSchema, received, 'the server');
  const branch = unpackPart(partOf(received.parts, 'branch', 'the server'), init.layout);
  return joinBranch(fresh(init, rank, merged), branch);
}

/** What a round adds to the frozen branch. */
export interface Stacked {
  readonly adapters: readonly WeightedAdapter[];
  /** How far it is from the mean of the products, relative to that. */
  readonly aggregationError: number;
}

/** A method that keeps the mean of the clients' products in a frozen branch, by what it makes of their stacked factors. */
export interface StackingMethod<Options extends Shape, Id extends string>
  extends Pick<Method<Options, Id>, 'id' | 'summary' | 'options'> {
  /** What becomes of the clients' adapters, weighted by p_i. @default they are kept as they are */
  keep?(adapters: readonly WeightedAdapter[], options: OptionsOf<Options>, arithmetic: Arithmetic): Stacked;
}

/**
 * Makes a method whose clients' factors are stacked, [p_i A_i] and [B_i], the mean of their products exactly and from clients of
 * unlike ranks; it is kept as a frozen branch, and every round starts with a fresh adapter on top. The fresh A comes from a
 * seed, so only the branch travels down.
 */
export const stacking = <Options extends Shape, const Id extends string>({
  id,
  summary,
  options,
  keep = (adapters) => ({ adapters, aggregationError: 0 }),
}: StackingMethod<Options, Id>) =>
  defineMethod<Options, Id>({
    id,
    summary,
    capabilities: { gives: ['global'], mixedRanks: true },
    options,

    server(init) {
      const branch = new FrozenBranch(init.layout, init.arithmetic);
      let merged = 0;
      const checked = (updates: readonly ClientUpdate[], { round, clients }: RoundContext) =>
        checkUpdates(updates, round, clients, ({ rank }) => ({ layout: layoutOf(init, rank) }));
      const sending = (): Sending => ({ parts: { branch: branch.part }, note: { merged } satisfies Note });
      return {
        send(context) {
          const same = sending();
          return new Map(context.clients.map(({ id }) => [id, same]));
        },
        check(update, context) {
          checked([update], context);
        },
        aggregate(updates, context) {
          const took = checked(updates, context);
          const total = took.reduce((sum, { client }) => sum + clientWeight(client, init.merge), 0);
          const weightOf = (client: ClientInfo) => clientWeight(client, init.merge) / total;
          const stacked = took.map(({ client, adapter }) => ({ ...adapter, weight: weightOf(client) }));
          merged = context.round;
          if (stacked.length === 0) return { metrics: branch.metrics() };
          const { adapters, aggregationError } = keep(stacked, init.options, init.arithmetic);
          branch.append(adapters);
          return { metrics: { aggregationError, ...branch.metrics() } };
        },
        offer: sending,
        /** Without the fresh adapter, which adds nothing; before the first merge the fresh one, which is the base. */
        global() {
          const rank = init.layout.modules[0]?.rank ?? 0;
          return { ...(branch.isEmpty ? fresh(init, rank, merged) : branch.held), mask: null };
        },
        state: () => ({ merged, branch: branch.state() }),
        restore(state) {
          const saved = state as { readonly merged: number; readonly branch: unknown };
          merged = saved.merged;
          branch.restore(saved.branch);
        },
      };
    },

    client: (init) => ({
      work(received, _state, context) {
        const { adapter, trainable } = open(init, received, context.client);
        return [{ name: 'main', adapter, phases: [context.trainPhase({ trainable })] }];
      },
      keep(_received, results, _state, { client }) {
        const own = detachBranch(trackOf(results, 'main').adapter, layoutOf(init, client.rank));
        return { parts: { adapter: packPart(own) }, note: null, state: undefined };
      },
      adapters(offered, _state, client) {
        const { adapter, trainable } = open(init, offered, client);
        return { global: adapter, trainable };
      },
    }),
  });
