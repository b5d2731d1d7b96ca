import { packPart, unpackPart } from '../adapter/part.js';
import { averaging } from './averaging.js';
import type { DoneTurn } from './averagingClient.js';
import { detachBranch, FrozenBranch, joinBranch } from './branch.js';
import type { Sending } from './method.js';
import { partOf } from './updates.js';

/**
 * FedEx-LoRA (arXiv 2410.09432): fedavg's factors, and what they miss of the mean product, sum p_i B_i A_i - B A =
 * sum p_i (B_i - B)(A_i - A), kept exactly in a frozen branch.
 */
export const fedexLora = averaging({
  id: 'fedex-lora',
  summary: 'fedavg’s factors, and what they miss of the mean product in a frozen branch.',
  capabilities: { gives: ['global'], mutable: true },
  options: {},

  server({ layout, arithmetic }) {
    const branch = new FrozenBranch(layout, arithmetic);
    const pack = (values: Float32Array) => packPart({ layout, values, mask: null });
    return {
      send({ values, isMutant, share }) {
        const adapter = isMutant ? pack(values) : share('adapter', () => pack(values));
        return { parts: { adapter, branch: branch.part }, note: null };
      },
      learn({ rows, mean }) {
        const total = rows.reduce((sum, { weight }) => sum + weight, 0);
        const residuals = rows.map(({ values, weight }) => ({ layout, values, minus: mean, weight: weight / total }));
        if (residuals.length > 0) branch.append(residuals);
        return branch.metrics();
      },
      offer: (_client, theta, share) => ({
        parts: { adapter: share('adapter', () => pack(theta)), branch: branch.part },
        note: null,
      }),
      global: (theta) => joinBranch({ layout, values: theta }, branch.held).adapter,
      state: () => branch.state(),
      restore: (state) => branch.restore(state),
    };
  },

  client({ layout }) {
    const open = ({ parts }: Sending) =>
      joinBranch(
        unpackPart(partOf(parts, 'adapter', 'the server'), layout),
        unpackPart(partOf(parts, 'branch', 'the server'), layout),
      );
    return {
      open: (received) => open(received).adapter,
      training: ({ received }) => ({ trainable: open(received).trainable }),
      upload: ({ main }: DoneTurn<unknown>) => ({ adapter: packPart(detachBranch(main.adapter, layout)) }),
      adapters(offered) {
        const { adapter, trainable } = open(offered);
        return { global: adapter, trainable };
      },
    };
  },
});
