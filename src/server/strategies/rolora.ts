import type { Factors } from '../../adapter/factors.js';
import type { ClientInfo, Strategy, StrategyInit } from '../strategy.js';
import { AveragingStrategy, type ExtraState, type MergedRound } from './averaging.js';

/**
 * RoLoRA (arXiv 2409.02346): one factor a round is trained and averaged, so the mean of the factors is exact; B first (A
 * has no gradient while B = 0), then A, then B ...
 */
class RoloraStrategy extends AveragingStrategy {
  /** Round after which each client last had the whole merged adapter. */
  #current = new Map<string, number>();

  protected override trainedFactors(round: number): Factors {
    return round % 2 === 1 ? 'B' : 'A';
  }

  /** The factor merged in the last round (before the first: the fresh A), or both where the client missed more than that. */
  protected override downFactors(client: ClientInfo, round: number): Factors {
    const last = this.#current.get(client.id) ?? 0;
    if (last >= round - 1) return this.trainedFactors(round - 1);
    return 'both';
  }

  protected override learn({ results, context }: MergedRound): Readonly<Record<string, unknown>> {
    for (const { client } of results) this.#current.set(client.id, context.round);
    return {};
  }

  protected override extraState(): ExtraState {
    return { current: new TextEncoder().encode(JSON.stringify([...this.#current])) };
  }

  protected override restoreExtra(tensors: Readonly<ExtraState>): void {
    this.#current = new Map(JSON.parse(new TextDecoder().decode(tensors.current)) as [string, number][]);
  }
}

export function createRolora(init: StrategyInit): Strategy {
  return new RoloraStrategy('rolora', init);
}
