import { factorMask } from '../../adapter/factors.js';
import type { Phase } from '../../client/job.js';
import type { ClientInfo, RoundContext, Strategy, StrategyInit } from '../strategy.js';
import { AveragingStrategy } from './averaging.js';

/** FedProx (arXiv 1812.06127): fedavg whose local loss has prox_mu / 2 * |theta - received|^2. */
class FedproxStrategy extends AveragingStrategy {
  protected override phases(client: ClientInfo, context: RoundContext): Phase[] {
    const trainable = factorMask(this.layout, this.trainedFactors(context.round));
    return [context.trainPhase(client, { trainable, proxMu: this.config.prox_mu })];
  }
}

export function createFedprox(init: StrategyInit): Strategy {
  return new FedproxStrategy('fedprox', init);
}
