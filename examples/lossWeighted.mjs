// A federated method of your own in one file: `fedtune run examples/own-strategy.yaml`.
//
// It averages like fedavg, but a client weighs the more, the worse it still does: weight = numTrain * loss ** power. All
// that is not said here is fedavg's; docs/methods.md ("A method of your own") has the hooks and the two halves behind them.

import { averaging, noteOf, z } from 'fedtune';

/** The last loss of a client's training; at least a little, so that nobody's weight is 0. */
const lastLoss = ({ losses }) => Math.max(1e-6, losses.at(-1) ?? 1);

/** What came from a client is not believed before it is checked. */
const noteSchema = z.object({ loss: z.number().positive() });

const lossOf = ({ client, update }) => noteOf(noteSchema, update, client.id).loss;

export default averaging({
  id: 'loss-weighted',
  summary: 'fedavg in which clients of a larger loss weigh more.',
  capabilities: { gives: ['global'], rebasable: true, mutable: true },
  options: {
    power: z.number().min(0).max(10).default(1).describe('How much the loss counts; 0: fedavg.'),
  },

  // The server's half: how an update weighs, and what is logged. It never sees more of a client than this.
  server: ({ options }) => ({
    toRow: (checked) => ({
      ...checked.adapter,
      weight: checked.client.numTrain * lossOf(checked) ** options.power,
    }),
    learn: ({ updates }) => ({
      losses: Object.fromEntries(updates.map((checked) => [checked.client.id, lossOf(checked)])),
    }),
  }),

  // The client's half: the loss travels beside the adapter.
  client: () => ({
    note: ({ main }) => ({ loss: lastLoss(main) }),
  }),
});
