import { firstComponents, gatherComponents } from '../adapter/components.js';
import { expandRanks } from '../adapter/init.js';
import { type Adapter, withRanks } from '../adapter/layout.js';
import { type ClientInfo, defineMethod, type MethodInit, type Sending, type StateDocument } from './method.js';
import { trackOf } from './tracks.js';
import { sortUpdates } from './updates.js';

interface Own {
  readonly values: Float32Array;
}

/** The owner's adapter of its own rank: what it kept, or a fresh one. */
function ownAdapter(init: MethodInit<unknown>, state: StateDocument | undefined, { rank }: ClientInfo): Adapter {
  const { layout, initial, seed } = init;
  if (state !== undefined) {
    return { layout: withRanks(layout, () => rank), values: (state as Own).values, mask: null };
  }
  const full = expandRanks(layout, initial, () => rank, seed);
  const selection = firstComponents(full.layout, rank);
  return { layout: selection.to, values: gatherComponents(selection, full.values), mask: null };
}

const NOTHING: Sending = { parts: {}, note: null };

/** Each client trains its own adapter, of its own rank, and nothing is sent. */
export const local = defineMethod({
  id: 'local',
  summary: 'Each client trains alone; nothing is sent.',
  capabilities: { gives: ['local'], aligned: true, mixedRanks: true, silent: true },
  options: {},
  server: () => ({
    send: ({ clients }) => new Map(clients.map(({ id }) => [id, NOTHING])),
    aggregate(updates, { round, clients }) {
      sortUpdates(updates, round, clients);
      return { metrics: {} };
    },
    offer: () => NOTHING,
    global: () => undefined,
    state: () => null,
    restore() {},
  }),
  client: (init) => ({
    work: (_received, state, context) => [
      { name: 'main', adapter: ownAdapter(init, state, context.client), phases: [context.trainPhase()] },
    ],
    keep(_received, results) {
      const own: Own = { values: trackOf(results, 'main').adapter.values };
      return { ...NOTHING, state: own };
    },
    adapters: (_offered, state, client) => ({ local: ownAdapter(init, state, client) }),
  }),
});
