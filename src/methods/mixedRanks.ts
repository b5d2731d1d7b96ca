import { z } from 'zod';
import {
  type ComponentSelection,
  firstComponents,
  gatherComponents,
  scatterComponents,
} from '../adapter/components.js';
import { expandRanks } from '../adapter/init.js';
import { type Part, packPart } from '../adapter/part.js';
import type { ClientInfo, ServerInit } from './method.js';
import type { ServerHooks } from './serverHooks.js';
import type { CheckedUpdate } from './updates.js';

/** What methods share whose merged adapter has the largest rank of all clients and whose clients get its first ranks. */
export interface MixedRanks {
  /** Hooks for sending and offering. */
  readonly hooks: Pick<ServerHooks, 'start' | 'layoutOf' | 'maskOf' | 'send' | 'offer'>;
  /** A client's update padded with zeros to the layout of the merge. */
  pad(update: CheckedUpdate): Float32Array;
}

/**
 * The repair of raFLoRA (arXiv 2602.13486), after its abstract: a component is averaged over the clients that have it. Zeros in
 * the place of missing ones would take energy from higher components in every round.
 */
export const rank_aware = z
  .boolean()
  .default(false)
  .describe('hetlora, flexlora: average each component over the clients that have it.');

export function mixedRanks({ layout: base, initial, seed, clients }: ServerInit<unknown>): MixedRanks {
  const rank = clients.reduce((most, client) => Math.max(most, client.rank), base.modules[0]?.rank ?? 0);
  const start = expandRanks(base, initial, () => rank, seed);
  const { layout } = start;
  const selections = new Map<number, ComponentSelection>();
  const selectionOf = (client: ClientInfo): ComponentSelection => {
    const selection = selections.get(client.rank) ?? firstComponents(layout, client.rank);
    selections.set(client.rank, selection);
    return selection;
  };
  /** What a client's ranks leave of the merged adapter, so that mutations are made and projected there. */
  const masks = new Map<number, Uint8Array | null>();
  const maskOf = (client: ClientInfo): Uint8Array | null => {
    const known = masks.get(client.rank);
    if (known !== undefined) return known;
    const selection = selectionOf(client);
    const ones = new Uint8Array(selection.to.size).fill(1);
    const isWhole = selection.to.size === layout.size;
    const mask = isWhole ? null : scatterComponents(selection, ones, new Uint8Array(layout.size));
    masks.set(client.rank, mask);
    return mask;
  };
  const pack = (client: ClientInfo, values: Float32Array): Part => {
    const selection = selectionOf(client);
    return packPart({ layout: selection.to, values: gatherComponents(selection, values), mask: null });
  };

  return {
    hooks: {
      start,
      layoutOf: (client) => selectionOf(client).to,
      maskOf,
      send({ client, values, isMutant, share }) {
        const adapter = isMutant ? pack(client, values) : share(`rank ${client.rank}`, () => pack(client, values));
        return { parts: { adapter }, note: null };
      },
      offer: (client, theta, share) => ({
        parts: { adapter: share(`rank ${client.rank}`, () => pack(client, theta)) },
        note: null,
      }),
    },
    pad: ({ client, adapter }) => scatterComponents(selectionOf(client), adapter.values, new Float32Array(layout.size)),
  };
}
