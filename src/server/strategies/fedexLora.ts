import type { Adapter, AdapterLayout } from '../../adapter/layout.js';
import type { Phase } from '../../client/job.js';
import type { MergeRow } from '../../merge/mean.js';
import type { CheckedResult } from '../results.js';
import type { ClientAdapters, ClientInfo, RoundContext, Strategy, StrategyInit } from '../strategy.js';
import { wireBytes } from '../wire.js';
import { AveragingStrategy, type ExtraState, type MergedRound } from './averaging.js';
import { FrozenBranch, weighted } from './branch.js';

/**
 * FedEx-LoRA (arXiv 2410.09432): fedavg's factors, and what they miss of the mean product, sum p_i B_i A_i - B A =
 * sum p_i (B_i - B)(A_i - A), kept exactly in a frozen branch.
 */
class FedexLoraStrategy extends AveragingStrategy {
  readonly #branch: FrozenBranch;

  constructor(init: StrategyInit) {
    super('fedex-lora', init);
    this.#branch = new FrozenBranch(this.layout);
  }

  protected override sentLayout(): AdapterLayout {
    return this.#branch.layoutWith(this.layout);
  }

  protected override startFor(_client: ClientInfo, values: Float32Array): Adapter {
    return this.#branch.join({ layout: this.layout, values }).adapter;
  }

  protected override phases(client: ClientInfo, context: RoundContext): Phase[] {
    const { trainable } = this.#branch.join({ layout: this.layout, values: this.theta });
    return [context.trainPhase(client, { trainable })];
  }

  protected override toRow(result: CheckedResult): MergeRow {
    const { values } = this.#branch.detach(result.main.adapter, this.layout);
    return { ...super.toRow(result), values };
  }

  protected override bytesDown(): number {
    return wireBytes({ layout: this.layout }) + this.#branch.bytes;
  }

  protected override bytesUp(): number {
    return wireBytes({ layout: this.layout });
  }

  protected override learn({ rows, mean }: MergedRound): Readonly<Record<string, unknown>> {
    const total = rows.reduce((sum, { weight }) => sum + weight, 0);
    const residuals = rows.map(({ values, weight }) => {
      const deviation = values.map((value, p) => value - mean[p]!);
      return weighted({ layout: this.layout, values: deviation }, weight / total);
    });
    if (residuals.length > 0) this.#branch.append(residuals);
    return { branchRank: this.#branch.rank, branchBytes: this.#branch.bytes };
  }

  override global(): Adapter {
    return this.#branch.join({ layout: this.layout, values: this.theta }).adapter;
  }

  override personalize(): ClientAdapters {
    const { adapter, trainable } = this.#branch.join({ layout: this.layout, values: this.theta });
    return { global: adapter, trainable };
  }

  protected override extraState(): ExtraState {
    return this.#branch.state();
  }

  protected override restoreExtra(tensors: Readonly<ExtraState>): void {
    this.#branch.restore(tensors);
  }
}

export function createFedexLora(init: StrategyInit): Strategy {
  return new FedexLoraStrategy(init);
}
