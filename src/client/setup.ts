import { beginAdapter } from '../adapter/init.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { methodOptions } from '../config/methodOptions.js';
import type { RunConfig } from '../config/schema.js';
import type { Arm } from '../contracts/messages.js';
import { FedtuneError } from '../errors.js';
import { loadMethod } from '../methods/load.js';
import { local } from '../methods/local.js';
import type { ClientHalf, Method } from '../methods/method.js';
import type { OwnerEngine, OwnerHost, OwnerModel } from './host.js';

/** What all owners of a run have in common at their side. */
export interface OwnerSetup {
  readonly config: RunConfig;
  readonly model: OwnerModel;
  readonly layout: AdapterLayout;
  /** Values of the fresh adapter. */
  readonly initial: Float32Array;
  readonly engine: OwnerEngine;
  /** The method's half, and that of `local` where the run trains it beside (`also_local`). */
  readonly halves: { readonly main: ClientHalf; readonly local?: ClientHalf };
}

/** Opens base, engine and method. Throws ModelError, AdapterError, ConfigError, EngineError. */
export async function openSetup(config: RunConfig, host: OwnerHost): Promise<OwnerSetup> {
  const model = await host.ownerModel(config);
  const { layout, initial } = beginAdapter(model.description, config);
  const method = await loadMethod(config);
  const alsoLocal = config.also_local && method !== local;
  const halfOf = (one: Method): ClientHalf => {
    const options = methodOptions(one, one === local ? { ...config, strategy: null } : config);
    return one.client({ layout, initial, seed: config.seed, numRounds: config.num_rounds, options });
  };
  return {
    config,
    model,
    layout,
    initial,
    engine: host.engine(config, model),
    halves: {
      main: halfOf(method),
      ...(alsoLocal ? { local: halfOf(local) } : {}),
    },
  };
}

/** The half of an arm. Throws FedtuneError NO_LOCAL_ARM where the run trains nobody alone. */
export function halfOfArm({ halves }: OwnerSetup, arm: Arm): ClientHalf {
  const half = halves[arm];
  if (half !== undefined) return half;
  throw new FedtuneError('NO_LOCAL_ARM', 'Expected work of the method alone; set also_local to train beside it.');
}
