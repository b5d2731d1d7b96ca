import type { Adapter } from '../../adapter/layout.js';
import type { ClientResult } from '../../client/job.js';
import { POOLED } from '../../contracts/pooled.js';
import { checkResults } from '../results.js';
import type {
  AggregateResult,
  ClientAdapters,
  ClientInfo,
  ClientPlan,
  RoundContext,
  Strategy,
  StrategyInit,
  StrategyState,
} from '../strategy.js';

/**
 * One adapter on the data of all clients together, the upper reference: as many optimizer steps a round as the sampled
 * clients would have done together. Nothing is sent but the data, which is not counted.
 */
class CentralizedStrategy implements Strategy {
  readonly id = 'centralized';
  readonly #init: StrategyInit;
  #values: Float32Array;

  constructor(init: StrategyInit) {
    this.#init = init;
    this.#values = init.initial.slice();
  }

  #pooled(context: RoundContext): ClientInfo {
    const sum = (count: (client: ClientInfo) => number): number =>
      context.allClients.reduce((total, client) => total + count(client), 0);
    return {
      id: POOLED,
      numTrain: sum((client) => client.numTrain),
      numTargets: sum((client) => client.numTargets),
      rank: this.#init.config.lora_r,
    };
  }

  configure(context: RoundContext): ClientPlan[] {
    const steps = context.clients.reduce((sum, client) => sum + context.trainPhase(client).steps, 0);
    const phase = context.trainPhase(this.#pooled(context), { steps });
    return [{ client: POOLED, tracks: [{ name: 'main', adapter: this.global(), phases: [phase] }], bytesDown: 0 }];
  }

  aggregate(results: readonly ClientResult[], context: RoundContext): AggregateResult {
    const pooled = { ...context, clients: [this.#pooled(context)] };
    for (const { main } of checkResults(results, pooled, () => this.#init.layout)) this.#values = main.adapter.values;
    return { bytesUp: 0, metrics: {} };
  }

  /** Nothing travels. */
  uploadBytes(): number {
    return 0;
  }

  personalize(): ClientAdapters {
    return { global: this.global() };
  }

  global(): Adapter {
    return { layout: this.#init.layout, values: this.#values, mask: null };
  }

  state(): StrategyState {
    return { json: { id: this.id }, tensors: { theta: this.#values } };
  }

  restore({ tensors }: StrategyState): void {
    this.#values = tensors.theta as Float32Array;
  }
}

export function createCentralized(init: StrategyInit): Strategy {
  return new CentralizedStrategy(init);
}
