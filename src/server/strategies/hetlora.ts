import { scatterComponents } from '../../adapter/components.js';
import { adapterProductNorm } from '../../merge/gram.js';
import type { MergeRow } from '../../merge/mean.js';
import type { RobustResult } from '../../merge/robust.js';
import type { CheckedResult } from '../results.js';
import type { Strategy, StrategyInit } from '../strategy.js';
import { MixedRanksStrategy } from './mixedRanks.js';

/**
 * HetLoRA (arXiv 2401.06432): clients of unlike ranks; updates are padded with zeros to the largest rank, weigh
 * ||B_i A_i||_F, and are truncated on the way down.
 */
class HetloraStrategy extends MixedRanksStrategy {
  protected override toRow({ client, main }: CheckedResult): MergeRow {
    const { layout, values } = main.adapter;
    const padded = scatterComponents(this.selection(client), values, new Float32Array(this.layout.size));
    return { values: padded, mask: null, weight: adapterProductNorm(values, layout.modules) };
  }

  protected override combine(rows: readonly MergeRow[], before: Float32Array): RobustResult {
    const merged = this.mergeMean(rows, before);
    return { merged, metrics: { productNorms: rows.map(({ weight }) => weight) } };
  }
}

export function createHetlora(init: StrategyInit): Strategy {
  return new HetloraStrategy('hetlora', init);
}
