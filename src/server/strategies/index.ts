import { ConfigError } from '../../errors.js';
import type { MethodId } from '../../methods/index.js';
import type { Strategy, StrategyInit } from '../strategy.js';
import { createCentralized } from './centralized.js';
import { createDitto } from './ditto.js';
import { createFedadagrad } from './fedadagrad.js';
import { createFedadam } from './fedadam.js';
import { createFedavg } from './fedavg.js';
import { createFedavgm } from './fedavgm.js';
import { createFedexLora } from './fedexLora.js';
import { createFedprox } from './fedprox.js';
import { createFedsaLora } from './fedsaLora.js';
import { createFedyogi } from './fedyogi.js';
import { createFfaLora } from './ffaLora.js';
import { createFlexlora } from './flexlora.js';
import { createFlora } from './flora.js';
import { createHetlora } from './hetlora.js';
import { createLocal } from './local.js';
import { createPerfit } from './perfit.js';
import { createRolora } from './rolora.js';
import { createScaffold } from './scaffold.js';

type CreateStrategy = (init: StrategyInit) => Strategy;

/** Every method by its id. */
const STRATEGIES: Readonly<Record<MethodId, CreateStrategy>> = {
  fedavg: createFedavg,
  local: createLocal,
  centralized: createCentralized,
  fedprox: createFedprox,
  scaffold: createScaffold,
  ditto: createDitto,
  fedavgm: createFedavgm,
  fedadagrad: createFedadagrad,
  fedadam: createFedadam,
  fedyogi: createFedyogi,
  'ffa-lora': createFfaLora,
  'fedsa-lora': createFedsaLora,
  rolora: createRolora,
  hetlora: createHetlora,
  flexlora: createFlexlora,
  flora: createFlora,
  'fedex-lora': createFedexLora,
  perfit: createPerfit,
};

/** Makes the strategy that `init.config.method` names. Throws ConfigError UNKNOWN_METHOD. */
export function createStrategy(init: StrategyInit): Strategy {
  const create = Object.hasOwn(STRATEGIES, init.config.method) ? STRATEGIES[init.config.method] : undefined;
  if (create === undefined) {
    throw new ConfigError(
      `Expected a method out of ${Object.keys(STRATEGIES).join(', ')} but received "${init.config.method}".`,
      { code: 'UNKNOWN_METHOD' },
    );
  }
  return create(init);
}
