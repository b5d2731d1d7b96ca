import type { DenseAdapter } from '../adapter/components.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { truncatedSum } from '../merge/lowRank.js';
import type { MergeRow } from '../merge/mean.js';
import type { WeightedAdapter } from '../merge/productSum.js';
import { averaging } from './averaging.js';
import { mixedRanks, rank_aware } from './mixedRanks.js';
import { clientWeight } from './weights.js';

const shareByClient = (layout: AdapterLayout, rows: readonly MergeRow[]): WeightedAdapter[] => {
  const total = rows.reduce((sum, { weight }) => sum + weight, 0);
  return rows.map(({ values, weight }) => ({ layout, values, weight: weight / total }));
};

/** Rows whose A carries the share that a client has in each component, out of those of the clients that have it. */
function shareByComponent(layout: AdapterLayout, rows: readonly MergeRow[]): WeightedAdapter[] {
  const has = ({ mask }: MergeRow, entry: number): boolean => mask === null || mask[entry] === 1;
  const scaled = rows.map(({ values }) => values.slice());
  for (const { offsetA, inDim, rank } of layout.modules) {
    for (let start = offsetA; start < offsetA + rank * inDim; start += inDim) {
      const total = rows.reduce((sum, row) => sum + (has(row, start) ? row.weight : 0), 0);
      for (const [i, row] of rows.entries()) {
        if (!has(row, start)) continue;
        for (let p = start; p < start + inDim; p++) scaled[i]![p]! *= row.weight / total;
      }
    }
  }
  return scaled.map((values) => ({ layout, values, weight: 1 }));
}

/**
 * FlexLoRA (arXiv 2402.11505): the weighted mean of the products B_i A_i, cut back to low rank by a singular value
 * decomposition; a client of rank r_i gets the r_i largest components.
 */
export const flexlora = averaging({
  id: 'flexlora',
  summary: 'The mean of the products, cut back to rank by a singular value decomposition.',
  capabilities: { gives: ['global'], mixedRanks: true },
  options: { rank_aware },
  server(init) {
    const { hooks, pad } = mixedRanks(init);
    const { layout } = hooks.start as DenseAdapter;
    return {
      ...hooks,
      toRow: (update) => {
        const mask = init.options.rank_aware ? hooks.maskOf!(update.client) : null;
        return { values: pad(update), mask, weight: clientWeight(update.client, init.merge) };
      },
      combine(rows, before) {
        if (rows.length === 0) return { merged: before, metrics: {} };
        const { rank } = layout.modules[0]!;
        const adapters = init.options.rank_aware ? shareByComponent(layout, rows) : shareByClient(layout, rows);
        return { merged: truncatedSum(adapters, () => rank, init.arithmetic).values, metrics: {} };
      },
    };
  },
});
