import type { Strategy, StrategyInit } from '../strategy.js';
import { AdaptiveServerStrategy, BETA_1, BETA_2 } from './adaptiveServer.js';

/** FedAdam (arXiv 2003.00295): m = .9 m + .1 delta; v = .99 v + .01 delta^2; no bias correction. */
export function createFedadam(init: StrategyInit): Strategy {
  return new AdaptiveServerStrategy('fedadam', init, {
    first: (m, delta) => BETA_1 * m + (1 - BETA_1) * delta,
    second: (v, delta) => BETA_2 * v + (1 - BETA_2) * delta * delta,
  });
}
