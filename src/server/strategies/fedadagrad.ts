import type { Strategy, StrategyInit } from '../strategy.js';
import { AdaptiveServerStrategy } from './adaptiveServer.js';

/** FedAdagrad (arXiv 2003.00295): v += delta^2; theta += eta * delta / (sqrt(v) + tau). */
export function createFedadagrad(init: StrategyInit): Strategy {
  return new AdaptiveServerStrategy('fedadagrad', init, {
    first: (_m, delta) => delta,
    second: (v, delta) => v + delta * delta,
  });
}
