import { type Factors, factorMask } from '../../adapter/factors.js';
import type { Adapter } from '../../adapter/layout.js';
import { maskValues } from '../../adapter/masks.js';
import type { ClientAdapters, ClientInfo, Strategy, StrategyInit } from '../strategy.js';
import { AveragingStrategy, type ExtraState, type MergedRound } from './averaging.js';
import { loadByClient, saveByClient } from './perClient.js';

/** FedSA-LoRA (arXiv 2410.01463): both factors are trained, A is averaged, B stays with its client. */
class FedsaLoraStrategy extends AveragingStrategy {
  readonly personalizes = true;
  /** Each client's B at its places in the flat vector, 0 elsewhere. */
  #own = new Map<string, Float32Array>();

  protected override averagedFactors(): Factors {
    return 'A';
  }

  protected override startFor(client: ClientInfo, values: Float32Array): Adapter {
    const own = this.#own.get(client.id);
    const shared = maskValues(values, factorMask(this.layout, 'A'));
    // The server's B is the fresh one, zero: what a client that never trained starts from.
    return { layout: this.layout, values: shared.map((value, p) => value + (own?.[p] ?? 0)), mask: null };
  }

  protected override learn({ results }: MergedRound): Readonly<Record<string, unknown>> {
    const onlyB = factorMask(this.layout, 'B');
    for (const { client, main } of results) this.#own.set(client.id, maskValues(main.adapter.values, onlyB));
    return {};
  }

  override personalize(client: ClientInfo): ClientAdapters {
    return { personalized: this.startFor(client, this.theta) };
  }

  override global(): undefined {
    return undefined;
  }

  protected override extraState(): ExtraState {
    return saveByClient('own', this.#own);
  }

  protected override restoreExtra(tensors: Readonly<ExtraState>): void {
    this.#own = loadByClient<Float32Array>('own', tensors);
  }
}

export function createFedsaLora(init: StrategyInit): Strategy {
  return new FedsaLoraStrategy('fedsa-lora', init);
}
