import { packPart, unpackPart } from '../adapter/part.js';
import { POOLED } from '../pooled.js';
import { type ClientInfo, defineMethod, type Sending } from './method.js';
import { trackOf } from './tracks.js';
import { checkUpdates, partOf } from './updates.js';

/** What the server says beside the adapter: optimizer steps of this round. */
interface Note {
  readonly steps: number;
}

/**
 * One adapter on the data of all clients together, the upper reference: as many optimizer steps a round as the sampled
 * clients would have done together. Nothing is sent but the data, which is not counted.
 */
export const centralized = defineMethod({
  id: 'centralized',
  summary: 'One adapter on the data of all clients together, the upper reference.',
  capabilities: { gives: ['global'], pooled: true, silent: true },
  options: {},

  server({ layout, initial, clients }) {
    let theta = initial;
    const sum = (count: (client: ClientInfo) => number): number =>
      clients.reduce((total, client) => total + count(client), 0);
    const pooled: ClientInfo = {
      id: POOLED,
      numTrain: sum(({ numTrain }) => numTrain),
      numTargets: sum(({ numTargets }) => numTargets),
      rank: layout.modules[0]?.rank ?? 0,
    };
    const sending = (note: Note | null): Sending => ({
      parts: { adapter: packPart({ layout, values: theta, mask: null }) },
      note,
    });
    return {
      send(context) {
        const steps = context.clients.reduce((total, client) => total + context.stepsOf(client), 0);
        return new Map([[POOLED, sending({ steps })]]);
      },
      aggregate(updates, { round }) {
        for (const { adapter } of checkUpdates(updates, round, [pooled], () => ({ layout }))) theta = adapter.values;
        return { metrics: {} };
      },
      offer: () => sending(null),
      global: () => ({ layout, values: theta, mask: null }),
      state: () => theta,
      restore(state) {
        theta = state as Float32Array;
      },
    };
  },

  client({ layout }) {
    const read = ({ parts }: Sending) => unpackPart(partOf(parts, 'adapter', 'the server'), layout);
    return {
      work(received, _state, context) {
        const { steps } = received.note as Note;
        return [{ name: 'main', adapter: read(received), phases: [context.trainPhase({ steps })] }];
      },
      keep: (_received, results) => ({
        parts: { adapter: packPart(trackOf(results, 'main').adapter) },
        note: null,
        state: undefined,
      }),
      adapters: (offered) => ({ global: read(offered) }),
    };
  },
});
