import type { Factors } from '../adapter/factors.js';
import { type Part, packPart, unpackPart } from '../adapter/part.js';
import { averaging } from './averaging.js';
import type { DoneTurn } from './averagingClient.js';
import { partOf } from './updates.js';

/** The factor that is trained and averaged in a round; round 0 stands for the fresh A. */
const factorOf = (round: number): 'A' | 'B' => (round % 2 === 1 ? 'B' : 'A');
const otherOf = (factor: 'A' | 'B'): 'A' | 'B' => (factor === 'A' ? 'B' : 'A');

/**
 * RoLoRA (arXiv 2409.02346): one factor a round is trained and averaged, so the mean of the factors is exact; B first (A
 * has no gradient while B = 0), then A, then B ...
 *
 * Down travels what the client does not have: the factor of the last merge where it took part in the round of that merge, else
 * both. The only factor with a global step is the one that stands still next, so there is nothing to mutate along.
 */
export const rolora = averaging({
  id: 'rolora',
  summary: 'One factor a round, in turns, so that each merge is exact.',
  capabilities: { gives: ['global'], robust: true },
  options: {},
  factors: { trains: factorOf },

  server({ layout }) {
    /** Round before whose merge each client has the whole merged adapter; absent: 0, the fresh one. */
    let known: ReadonlyMap<string, number> = new Map();
    return {
      send({ client, round, values, share }) {
        const factors: Factors = (known.get(client.id) ?? 0) >= round - 1 ? factorOf(round - 1) : 'both';
        const pack = () => packPart({ layout, values, mask: null }, { factors });
        return { parts: { adapter: share(factors, pack) }, note: null };
      },
      meet({ took, context }) {
        known = new Map([...known, ...took.map(({ client: { id } }) => [id, context.round] as const)]);
        return {};
      },
      state: () => Object.fromEntries(known),
      restore(state) {
        known = new Map(Object.entries(state as Record<string, number>));
      },
    };
  },

  client: ({ layout, initial }) => ({
    open: ({ parts }, last: Part | undefined) => {
      const fallback = last === undefined ? initial : unpackPart(last, layout).values;
      return unpackPart(partOf(parts, 'adapter', 'the server'), layout, { fallback });
    },
    /** The factor that stands still in this round is the merged one in the next round too. */
    keep: ({ adapter, context }: DoneTurn<Part>): Part =>
      packPart(adapter, { factors: otherOf(factorOf(context.round)) }),
  }),
});
