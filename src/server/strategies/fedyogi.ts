import type { Strategy, StrategyInit } from '../strategy.js';
import { AdaptiveServerStrategy, BETA_1, BETA_2 } from './adaptiveServer.js';

/** FedYogi (arXiv 2003.00295): as fedadam with v -= .01 * delta^2 * sign(v - delta^2). */
export function createFedyogi(init: StrategyInit): Strategy {
  return new AdaptiveServerStrategy('fedyogi', init, {
    first: (m, delta) => BETA_1 * m + (1 - BETA_1) * delta,
    second: (v, delta) => v - (1 - BETA_2) * delta * delta * Math.sign(v - delta * delta),
  });
}
