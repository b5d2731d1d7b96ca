import { z } from 'zod';
import { type Parts, packPart, unpackPart } from '../adapter/part.js';
import { averaging } from './averaging.js';
import type { DoneTurn, Turn } from './averagingClient.js';
import { trackOf } from './tracks.js';
import { partOf } from './updates.js';
import type { Track } from './work.js';

/** The personal adapter v_i, which never leaves its client. */
interface Own {
  readonly personal: Float32Array;
}

/**
 * Ditto (arXiv 2012.04221): fedavg, and beside it a personal adapter v_i trained with ditto_lambda / 2 * |v_i -
 * theta|^2. Its tokens count. A mutant does not show the merged adapter theta, which then travels beside it.
 */
export const ditto = averaging({
  id: 'ditto',
  summary: 'fedavg, and beside it a personal adapter pulled to the received one.',
  capabilities: { gives: ['global', 'personalized'], aligned: true, mutable: true },
  options: {
    ditto_lambda: z.number().min(0).default(0.1).describe('ditto: pull of the personal adapter to the global one.'),
  },

  server({ layout }) {
    const pack = (vector: Float32Array) => packPart({ layout, values: vector, mask: null });
    return {
      send({ values, theta, isMutant, share }) {
        const merged = share('adapter', () => pack(theta));
        const parts: Parts = isMutant ? { adapter: pack(values), merged } : { adapter: merged };
        return { parts, note: null };
      },
    };
  },

  client: ({ layout, options }) => ({
    beside({ received, state, adapter, context }: Turn<Own>): Track[] {
      const { values } = received.parts.merged === undefined ? adapter : unpackPart(received.parts.merged, layout);
      const phase = context.trainPhase({ proxMu: options.ditto_lambda, anchor: values });
      const personal = { ...adapter, values: state?.personal ?? values };
      return [{ name: 'personal', adapter: personal, phases: [phase] }];
    },
    keep: ({ results }: DoneTurn<Own>): Own => ({ personal: trackOf(results, 'personal').adapter.values }),
    adapters({ parts }, state: Own | undefined) {
      const global = unpackPart(partOf(parts, 'adapter', 'the server'), layout);
      return state === undefined ? { global } : { global, personalized: { ...global, values: state.personal } };
    },
  }),
});
