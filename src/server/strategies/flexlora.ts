import { concatComponents, scatterComponents } from '../../adapter/components.js';
import { truncatedSvd } from '../../merge/lowRank.js';
import type { MergeRow } from '../../merge/mean.js';
import type { RobustResult } from '../../merge/robust.js';
import type { CheckedResult } from '../results.js';
import type { Strategy, StrategyInit } from '../strategy.js';
import { weighted } from './branch.js';
import { MixedRanksStrategy } from './mixedRanks.js';

/**
 * FlexLoRA (arXiv 2402.11505): the weighted mean of the products B_i A_i, cut back to low rank by a singular value
 * decomposition; a client of rank r_i gets the r_i largest components.
 */
class FlexloraStrategy extends MixedRanksStrategy {
  protected override toRow(result: CheckedResult): MergeRow {
    const padded = new Float32Array(this.layout.size);
    const values = scatterComponents(this.selection(result.client), result.main.adapter.values, padded);
    return { ...super.toRow(result), values };
  }

  protected override combine(rows: readonly MergeRow[], before: Float32Array): RobustResult {
    if (rows.length === 0) return { merged: before, metrics: {} };
    const total = rows.reduce((sum, { weight }) => sum + weight, 0);
    const stacked = concatComponents(
      rows.map(({ values, weight }) => weighted({ layout: this.layout, values }, weight / total)),
    );
    const { rank } = this.layout.modules[0]!;
    return { merged: truncatedSvd(stacked, () => rank).values, metrics: {} };
  }
}

export function createFlexlora(init: StrategyInit): Strategy {
  return new FlexloraStrategy('flexlora', init);
}
