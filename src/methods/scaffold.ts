import { type Part, packPart, unpackPart } from '../adapter/part.js';
import { FedtuneError } from '../errors.js';
import { averaging } from './averaging.js';
import type { DoneTurn } from './averagingClient.js';
import { type CheckedUpdate, partOf, readPart } from './updates.js';
import { clientWeight } from './weights.js';

/** The client's control variate c_i: the mean of the raw gradients of its last round. */
interface Own {
  readonly control: Float32Array;
}

function meanGradientOf({ main, context }: DoneTurn<Own>): Float32Array {
  if (main.meanGradient !== null) return main.meanGradient;
  throw new FedtuneError('MISSING_GRADIENT', `Expected the mean gradient of client ${context.client.id}.`);
}

/**
 * SCAFFOLD (arXiv 1910.06378) for any local optimizer: clients see g + c - c_i; c_i becomes the mean of the raw gradients
 * of the round (option II where the optimizer is plain SGD) and c is their mean over all N clients, weighed as the merge is.
 * c travels down beside the adapter, the change of c_i up; c_i itself stays with its client.
 */
export const scaffold = averaging({
  id: 'scaffold',
  summary: 'Control variates against client drift.',
  capabilities: { gives: ['global'], aligned: true, mutable: true },
  options: {},

  server({ layout, clients, merge }) {
    const total = clients.reduce((sum, client) => sum + clientWeight(client, merge), 0);
    let control = new Float32Array(layout.size);
    const changeOf = ({ client, update }: CheckedUpdate): Float32Array => {
      const what = `the control variate of client ${client.id}`;
      return readPart(partOf(update.parts, 'control', `client ${client.id}`), { layout }, what).values;
    };
    return {
      send({ values, isMutant, share }) {
        const pack = (vector: Float32Array): Part => packPart({ layout, values: vector, mask: null });
        const adapter = isMutant ? pack(values) : share('adapter', () => pack(values));
        return { parts: { adapter, control: share('control', () => pack(control)) }, note: null };
      },
      check: changeOf,
      learn({ updates }) {
        const change = new Float64Array(layout.size);
        for (const update of updates) {
          const values = changeOf(update);
          const share = clientWeight(update.client, merge) / total;
          for (let p = 0; p < change.length; p++) change[p]! += share * values[p]!;
        }
        control = control.map((c, p) => c + change[p]!);
        return { controlNorm: Math.sqrt(control.reduce((sum, c) => sum + c * c, 0)) };
      },
      state: () => control,
      restore(state) {
        control = state as Float32Array<ArrayBuffer>;
      },
    };
  },

  client: ({ layout }) => ({
    training({ received, state }: { received: { parts: Record<string, Part> }; state: Own | undefined }) {
      const control = unpackPart(partOf(received.parts, 'control', 'the server'), layout).values;
      const gradientOffset = control.map((c, p) => c - (state?.control[p] ?? 0));
      return { gradientOffset, wantMeanGradient: true };
    },
    upload(turn: DoneTurn<Own>) {
      const { main, state } = turn;
      const change = meanGradientOf(turn).map((c, p) => c - (state?.control[p] ?? 0));
      return { adapter: packPart(main.adapter), control: packPart({ layout, values: change, mask: null }) };
    },
    keep: (turn: DoneTurn<Own>): Own => ({ control: meanGradientOf(turn) }),
  }),
});
