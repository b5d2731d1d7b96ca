import { beginAdapter } from '../adapter/init.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { methodOptions } from '../config/methodOptions.js';
import type { RunConfig } from '../config/schema.js';
import type { Arm } from '../contracts/messages.js';
import { FedtuneError } from '../errors.js';
import { loadMethod } from '../methods/load.js';
import { local } from '../methods/local.js';
import type { ClientHalf, Method } from '../methods/method.js';
import type { TrainSettings } from '../methods/schedule.js';
import type { OwnerEngine, OwnerHost, OwnerModel } from './host.js';

/** What all owners of a run have in common at their side. */
export interface OwnerSetup {
  readonly config: RunConfig;
  readonly model: OwnerModel;
  readonly layout: AdapterLayout;
  /** Values of the fresh adapter. */
  readonly initial: Float32Array;
  readonly engine: OwnerEngine;
  /** The method's, and that of `local` where the run trains it beside (`also_local`). */
  readonly arms: { readonly main: OwnerArm; readonly local?: OwnerArm };
}

/** What an owner trains by, and what of it stays at home besides the half's own state. */
export interface OwnerArm {
  readonly half: ClientHalf;
  /** What shapes its training. */
  readonly train: TrainSettings;
  /** Whether its trained adapter of a round stays at home as it was before the merge; a reference has no merge. */
  readonly keepsUnmerged: (round: number) => boolean;
  /** The optimizer goes on from round to round, as that of one who trains alone does. */
  readonly keepsOptimizer: boolean;
}

/** Whether an owner that trains in this round may train in none after it. */
function mayBeLast(config: RunConfig, round: number): boolean {
  const { clients_per_round: some, participation, dropout_rate: dropped, deadline, async_buffer: buffer } = config;
  const { early_stopping_patience: patience } = config;
  return (
    round >= config.num_rounds ||
    some !== null ||
    participation < 1 ||
    dropped > 0 ||
    deadline !== null ||
    buffer !== null ||
    patience !== null
  );
}

/** Opens base, engine and method. Throws ModelError, AdapterError, ConfigError, EngineError. */
export async function openSetup(config: RunConfig, host: OwnerHost): Promise<OwnerSetup> {
  const model = await host.ownerModel(config);
  const beginning = beginAdapter(model.description, config);
  const { layout } = beginning;
  const method = await loadMethod(config);
  const alsoLocal = config.also_local && method !== local;
  const lazily = <T extends object>(rest: T): T & { readonly initial: Float32Array } => ({
    ...rest,
    get initial() {
      return beginning.initial;
    },
  });
  const armFor = (one: Method, optimizer: RunConfig['optimizer_state'], train: TrainSettings): OwnerArm => {
    const options = methodOptions(one, one === local ? { ...config, strategy: null } : config);
    const isReference = one.capabilities.silent === true;
    return {
      half: one.client(lazily({ layout, seed: config.seed, numRounds: config.num_rounds, options })),
      train,
      keepsUnmerged: (round) => !isReference && mayBeLast(config, round),
      keepsOptimizer: (optimizer ?? (isReference ? 'keep' : 'fresh')) === 'keep',
    };
  };
  const alone = config.local_learning_rate ?? config.learning_rate;
  return lazily({
    config,
    model,
    layout,
    engine: host.engine(config, model),
    arms: {
      main: armFor(method, config.optimizer_state, config),
      ...(alsoLocal ? { local: armFor(local, null, { ...config, learning_rate: alone }) } : {}),
    },
  });
}

/** One of the arms. Throws FedtuneError NO_LOCAL_ARM where the run trains nobody alone. */
export function armOf({ arms }: OwnerSetup, arm: Arm): OwnerArm {
  const own = arms[arm];
  if (own !== undefined) return own;
  throw new FedtuneError('NO_LOCAL_ARM', 'Expected work of the method alone; set also_local to train beside it.');
}
