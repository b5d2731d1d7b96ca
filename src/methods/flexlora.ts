import type { DenseAdapter } from '../adapter/components.js';
import { truncatedSum } from '../merge/lowRank.js';
import { averaging } from './averaging.js';
import { mixedRanks } from './mixedRanks.js';
import { clientWeight } from './weights.js';

/**
 * FlexLoRA (arXiv 2402.11505): the weighted mean of the products B_i A_i, cut back to low rank by a singular value
 * decomposition; a client of rank r_i gets the r_i largest components.
 */
export const flexlora = averaging({
  id: 'flexlora',
  summary: 'The mean of the products, cut back to rank by a singular value decomposition.',
  capabilities: { gives: ['global'], mixedRanks: true },
  options: {},
  server(init) {
    const { hooks, pad } = mixedRanks(init);
    const { layout } = hooks.start as DenseAdapter;
    return {
      ...hooks,
      toRow: (update) => ({ values: pad(update), mask: null, weight: clientWeight(update.client, init.merge) }),
      combine(rows, before) {
        if (rows.length === 0) return { merged: before, metrics: {} };
        const total = rows.reduce((sum, { weight }) => sum + weight, 0);
        const { rank } = layout.modules[0]!;
        const adapters = rows.map(({ values, weight }) => ({ layout, values, weight: weight / total }));
        return { merged: truncatedSum(adapters, () => rank, init.arithmetic).values, metrics: {} };
      },
    };
  },
});
