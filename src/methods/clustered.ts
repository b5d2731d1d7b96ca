import { z } from 'zod';
import { factorMask } from '../adapter/factors.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { unpackPart } from '../adapter/part.js';
import { groupByLikeness } from '../merge/grouping.js';
import { averagingClient } from './averagingClient.js';
import { AveragingServer } from './averagingServer.js';
import {
  type ClientInfo,
  type ClientUpdate,
  defineMethod,
  type RoundContext,
  type ServerHalf,
  type ServerInit,
} from './method.js';
import { checkUpdates, partOf } from './updates.js';

const options = {
  clusters: z.int().positive().default(2).describe('clustered: groups of clients.'),
  cluster_round: z.int().positive().default(1).describe('clustered: round after which clients are grouped.'),
};
type Init = ServerInit<z.output<z.ZodObject<typeof options>>>;

interface Saved {
  readonly groups: readonly unknown[];
  readonly places: Readonly<Record<string, number>>;
}

/** One server of fedavg, and after `cluster_round` one a group. */
class ClusteredServer implements ServerHalf {
  readonly #init: Init;
  #groups: readonly AveragingServer[];
  /** Each client's group, once it is in one; others go with the first. */
  #places: ReadonlyMap<string, number> = new Map();

  constructor(init: Init) {
    this.#init = init;
    this.#groups = [this.#serverFrom(init.initial)];
  }

  #serverFrom(values: Float32Array): AveragingServer {
    return new AveragingServer(this.#init, { start: { layout: this.#init.layout, values } }, {}, false);
  }

  #placeOf = ({ id }: { readonly id: string }): number => this.#places.get(id) ?? 0;

  /** What a group's server sees of a round. */
  #contextOf(context: RoundContext, place: number): RoundContext {
    const members = (clients: readonly ClientInfo[]) => clients.filter((client) => this.#placeOf(client) === place);
    return { ...context, clients: members(context.clients), nextClients: members(context.nextClients) };
  }

  send(context: RoundContext) {
    const sent = new Map(this.#groups.flatMap((server, place) => [...server.send(this.#contextOf(context, place))]));
    return new Map(context.clients.map(({ id }) => [id, sent.get(id)!]));
  }

  #checked(updates: readonly ClientUpdate[], { round, clients }: RoundContext) {
    const { layout } = this.#init;
    return checkUpdates(updates, round, clients, () => ({ layout }));
  }

  check(update: ClientUpdate, context: RoundContext): void {
    this.#checked([update], context);
  }

  /** Puts clients that are in no group yet where their change of B has the highest cosine to. */
  #place(updates: readonly ClientUpdate[], context: RoundContext): void {
    const { layout, arithmetic, options: own } = this.#init;
    const checked = this.#checked(updates, context);
    if (context.round < own.cluster_round || checked.length === 0) return;
    const changes = checked.map(({ client, adapter: { values } }) => {
      const from = this.#groups[this.#placeOf(client)]!.merged;
      return values.map((value, p) => value - from[p]!);
    });
    const gram = arithmetic.gram(changes, { mask: factorMask(layout, 'B') });
    const cosine = (i: number, j: number): number => {
      const [a, b] = [gram[i * changes.length + i]!, gram[j * changes.length + j]!];
      return a > 0 && b > 0 ? gram[i * changes.length + j]! / Math.sqrt(a * b) : 0;
    };
    const ids = checked.map(({ client }) => client.id);
    if (this.#places.size === 0) {
      const groups = groupByLikeness(cosine, ids.length, own.clusters);
      const common = this.#groups[0]!.merged;
      this.#groups = groups.map(() => this.#serverFrom(common));
      this.#places = new Map(groups.flatMap((group, place) => group.map((i) => [ids[i]!, place] as const)));
      return;
    }
    const settled = [...ids.keys()].filter((i) => this.#places.has(ids[i]!));
    const newcomers = ids.flatMap((id, i) => {
      if (this.#places.has(id) || settled.length === 0) return [];
      const nearest = settled.reduce((best, j) => (cosine(i, j) > cosine(i, best) ? j : best));
      return [[id, this.#places.get(ids[nearest]!)!] as const];
    });
    this.#places = new Map([...this.#places, ...newcomers]);
  }

  aggregate(updates: readonly ClientUpdate[], context: RoundContext) {
    this.#place(updates, context);
    const merged = this.#groups.map((server, place) => {
      const own = updates.filter(({ client }) => this.#placeOf({ id: client }) === place);
      return own.length === 0 ? {} : server.aggregate(own, this.#contextOf(context, place)).metrics;
    });
    const weights = Object.assign({}, ...merged.map((metrics) => (metrics as { weights?: object }).weights));
    return { metrics: { weights, groups: Object.fromEntries(this.#places) } };
  }

  offer(client: ClientInfo) {
    return this.#groups[this.#placeOf(client)]!.offer(client);
  }

  global(): undefined {
    return undefined;
  }

  state(): Saved {
    return { groups: this.#groups.map((server) => server.state()), places: Object.fromEntries(this.#places) };
  }

  restore(state: unknown): void {
    const { groups, places } = state as Saved;
    this.#places = new Map(Object.entries(places));
    this.#groups = groups.map((saved) => {
      const server = this.#serverFrom(this.#init.initial);
      server.restore(saved);
      return server;
    });
  }
}

const read = (layout: AdapterLayout, parts: Parameters<typeof partOf>[0]) =>
  unpackPart(partOf(parts, 'adapter', 'the server'), layout);

/**
 * Clients in groups, each with a merged adapter of its own: after `cluster_round` by the cosines of how their B changed (average
 * linkage), newcomers with whom they are most like. What is known as clustered federated learning (arXiv 1910.01991), by another
 * rule of grouping.
 */
export const clustered = defineMethod({
  id: 'clustered',
  summary: 'fedavg within groups of clients whose B changes alike.',
  capabilities: { gives: ['personalized'], aligned: true },
  options,
  server: (init) => new ClusteredServer(init),
  client: (init) =>
    averagingClient(init, { adapters: ({ parts }) => ({ personalized: read(init.layout, parts) }) }, {}),
});
