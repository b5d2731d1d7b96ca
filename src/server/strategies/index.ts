import type { MethodId } from '../../config/methods.js';
import { ConfigError } from '../../errors.js';
import type { Strategy, StrategyInit } from '../strategy.js';
import { createFedavg } from './fedavg.js';
import { createLocal } from './local.js';

type CreateStrategy = (init: StrategyInit) => Strategy;

/** Every method by its id. */
const STRATEGIES: Partial<Readonly<Record<MethodId, CreateStrategy>>> = {
  fedavg: createFedavg,
  local: createLocal,
};

/** Makes the strategy that `init.config.method` names. Throws ConfigError UNKNOWN_METHOD. */
export function createStrategy(init: StrategyInit): Strategy {
  const create = STRATEGIES[init.config.method];
  if (create === undefined) {
    throw new ConfigError(
      `Expected a method out of ${Object.keys(STRATEGIES).join(', ')} but received "${init.config.method}".`,
      { code: 'UNKNOWN_METHOD' },
    );
  }
  return create(init);
}
