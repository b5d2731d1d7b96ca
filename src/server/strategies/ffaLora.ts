import { type Factors, factorMask } from '../../adapter/factors.js';
import type { ClientAdapters, ClientInfo, Strategy, StrategyInit } from '../strategy.js';
import { AveragingStrategy } from './averaging.js';

/**
 * FFA-LoRA (arXiv 2403.12313): A stays at the shared start, only B is trained and averaged, so the mean of the factors is
 * the mean of the products. A comes from a seed and never travels.
 */
class FfaLoraStrategy extends AveragingStrategy {
  protected override trainedFactors(): Factors {
    return 'B';
  }

  override personalize(client: ClientInfo): ClientAdapters {
    return { ...super.personalize(client), trainable: factorMask(this.layout, 'B')! };
  }
}

export function createFfaLora(init: StrategyInit): Strategy {
  return new FfaLoraStrategy('ffa-lora', init);
}
