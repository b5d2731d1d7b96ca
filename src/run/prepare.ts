import { beginAdapter } from '../adapter/init.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { checkMethod } from '../config/check.js';
import { methodOptions } from '../config/methodOptions.js';
import type { RunConfig } from '../config/schema.js';
import { ConfigError } from '../errors.js';
import { loadMethod } from '../methods/load.js';
import type { Method } from '../methods/method.js';
import { type BaseModel, type HubOptions, loadModel } from '../model/index.js';

/** What follows from the configuration and the base model alone. */
export interface Prepared {
  readonly config: RunConfig;
  readonly model: BaseModel;
  /** The built-in method, or that of the user's file. */
  readonly method: Method;
  /** The method's own options. */
  readonly options: Record<string, unknown>;
  /** Layout at the base rank. */
  readonly layout: AdapterLayout;
  /** Values of the fresh adapter, equal for every client. */
  readonly initial: Float32Array;
}

/** Refuses what no owner could take home with this method. */
function checkTakeHome(config: RunConfig, method: Method): void {
  const { take_home: wanted, also_local, finetune_epochs, finetune_steps } = config;
  if (wanted === 'best_on_validation') return;
  const kinds = new Set<string>(['base', ...(also_local ? ['local'] : []), ...method.capabilities.gives]);
  if (finetune_epochs > 0 || finetune_steps > 0) kinds.add('tuned');
  if (kinds.has(wanted)) return;
  throw new ConfigError(
    `Expected take_home to be best_on_validation or one of ${[...kinds].join(', ')} with method ${method.id}, but received ${wanted}.`,
  );
}

/** Loads base model and method. Throws ModelError, ConfigError or AdapterError. */
export async function prepare(config: RunConfig, hub: HubOptions = {}): Promise<Prepared> {
  const model = await loadModel(config.model, { ...hub, revision: config.model_revision });
  const method = await loadMethod(config);
  checkMethod(config, method);
  const options = methodOptions(method, config);
  checkTakeHome(config, method);
  return { config, model, method, options, ...beginAdapter(model.description, config) };
}
