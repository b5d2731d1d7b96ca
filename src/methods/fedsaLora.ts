import type { Adapter } from '../adapter/layout.js';
import { type Part, packPart, unpackPart } from '../adapter/part.js';
import { averaging } from './averaging.js';
import type { DoneTurn } from './averagingClient.js';
import type { Sending } from './method.js';
import { partOf } from './updates.js';

/** FedSA-LoRA (arXiv 2410.01463): both factors are trained, A is averaged, B stays with its client. */
export const fedsaLora = averaging({
  id: 'fedsa-lora',
  summary: 'A is averaged, B stays with its client.',
  capabilities: { gives: ['personalized'], aligned: true, robust: true, mutable: true },
  options: {},
  factors: { trains: () => 'both', averages: () => 'A' },

  server: ({ layout }) => ({
    offer: (_client, values, share) => ({
      parts: { adapter: share('A', () => packPart({ layout, values, mask: null }, { factors: 'A' })) },
      note: null,
    }),
    global: () => undefined,
  }),

  client({ layout }) {
    /** The merged A with the client's own B, which is zero before its first round. */
    const join = ({ parts }: Sending, own: Part | undefined): Adapter => {
      const shared = partOf(parts, 'adapter', 'the server');
      return unpackPart(shared, layout, own === undefined ? {} : { fallback: unpackPart(own, layout).values });
    };
    return {
      open: join,
      keep: ({ main }: DoneTurn<Part>): Part => packPart(main.adapter, { factors: 'B' }),
      adapters: (offered, own: Part | undefined) => ({ personalized: join(offered, own) }),
    };
  },
});
