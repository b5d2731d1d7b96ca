import { adapterProductNorm } from '../merge/productNorms.js';
import { averaging } from './averaging.js';
import { mixedRanks, rank_aware } from './mixedRanks.js';

/**
 * HetLoRA (arXiv 2401.06432): clients of unlike ranks; updates are padded with zeros to the largest rank, weigh
 * ||B_i A_i||_F, and are truncated on the way down. Ranks stay as they are given: the paper's pruning of ranks by the
 * clients themselves, and the regulariser that goes with it, are not here.
 */
export const hetlora = averaging({
  id: 'hetlora',
  summary: 'Clients of unlike ranks, padded with zeros and weighed by the norm of their product.',
  capabilities: { gives: ['global'], aligned: true, mixedRanks: true, mutable: true },
  options: { rank_aware },
  server(init) {
    const { hooks, pad } = mixedRanks(init);
    return {
      ...hooks,
      toRow(update) {
        const { layout, values } = update.adapter;
        return {
          values: pad(update),
          mask: init.options.rank_aware ? hooks.maskOf!(update.client) : null,
          weight: adapterProductNorm(values, layout.modules, init.arithmetic.productNorms),
        };
      },
      combine: (rows, before) => ({
        merged: init.arithmetic.mean(rows, before),
        metrics: { productNorms: rows.map(({ weight }) => weight) },
      }),
    };
  },
});
