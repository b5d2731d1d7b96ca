import { z } from 'zod';
import { packPart, unpackPart } from '../adapter/part.js';
import { POOLED } from '../pooled.js';
import { type ClientInfo, defineMethod, type Sending } from './method.js';
import { trackOf } from './tracks.js';
import { checkUpdates, noteOf, partOf } from './updates.js';

/** What the server says beside the adapter: optimizer steps of this round. */
const noteSchema = z.object({ steps: z.int().positive() });
type Note = z.output<typeof noteSchema>;

/**
 * One adapter on the data of all clients together, the upper reference: as many optimizer steps a round as the sampled
 * clients would have done together. Nothing is sent but the data, which is not counted.
 */
export const centralized = defineMethod({
  id: 'centralized',
  summary: 'One adapter on the data of all clients together, the upper reference.',
  capabilities: { gives: ['global'], aligned: true, pooled: true, silent: true },
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
    let adapter = packPart({ layout, values: theta, mask: null });
    const take = (values: Float32Array): void => {
      theta = values;
      adapter = packPart({ layout, values, mask: null });
    };
    return {
      send(context) {
        const steps = context.clients.reduce((total, client) => total + context.stepsOf(client), 0);
        const note: Note = { steps };
        return new Map([[POOLED, { parts: { adapter }, note }]]);
      },
      aggregate(updates, { round }) {
        for (const update of checkUpdates(updates, round, [pooled], () => ({ layout }))) take(update.adapter.values);
        return { metrics: {} };
      },
      offer: () => ({ parts: { adapter }, note: null }),
      global: () => ({ layout, values: theta, mask: null }),
      state: () => theta,
      restore: (state) => take(state as Float32Array),
    };
  },

  client({ layout }) {
    const read = ({ parts }: Sending) => unpackPart(partOf(parts, 'adapter', 'the server'), layout);
    return {
      work(received, _state, context) {
        const { steps } = noteOf(noteSchema, received, 'the server');
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
