import type { Strategy, StrategyInit } from '../strategy.js';
import { AveragingStrategy } from './averaging.js';

/** FedIT: the weighted mean of A and of B, as the all-ones case of the parameter-wise merge. */
export function createFedavg(init: StrategyInit): Strategy {
  return new AveragingStrategy('fedavg', init);
}
