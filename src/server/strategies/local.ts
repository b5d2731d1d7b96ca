import { firstComponents, gatherComponents } from '../../adapter/components.js';
import { expandRanks } from '../../adapter/init.js';
import type { Adapter } from '../../adapter/layout.js';
import type { ClientResult } from '../../client/job.js';
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
import { loadByClient, saveByClient } from './perClient.js';

/** Each client trains its own adapter, of its own rank, and nothing is sent. */
class LocalStrategy implements Strategy {
  readonly id = 'local';
  readonly #init: StrategyInit;
  #values = new Map<string, Float32Array>();

  constructor(init: StrategyInit) {
    this.#init = init;
  }

  #adapter(client: ClientInfo): Adapter {
    const { layout, initial, seed } = this.#init;
    const full = expandRanks(layout, initial, () => client.rank, seed);
    const selection = firstComponents(full.layout, client.rank);
    const values = this.#values.get(client.id) ?? gatherComponents(selection, full.values);
    return { layout: selection.to, values, mask: null };
  }

  configure(context: RoundContext): ClientPlan[] {
    return context.clients.map((client) => ({
      client: client.id,
      tracks: [{ name: 'main', adapter: this.#adapter(client), phases: [context.trainPhase(client)] }],
      bytesDown: 0,
    }));
  }

  aggregate(results: readonly ClientResult[], context: RoundContext): AggregateResult {
    for (const { client, main } of checkResults(results, context, (info) => this.#adapter(info).layout)) {
      this.#values.set(client.id, main.adapter.values);
    }
    return { bytesUp: 0, metrics: {} };
  }

  /** Nothing travels. */
  uploadBytes(): number {
    return 0;
  }

  personalize(client: ClientInfo): ClientAdapters {
    return { local: this.#adapter(client) };
  }

  global(): undefined {
    return undefined;
  }

  state(): StrategyState {
    return { json: { id: this.id }, tensors: saveByClient('values', this.#values) };
  }

  restore({ tensors }: StrategyState): void {
    this.#values = loadByClient<Float32Array>('values', tensors);
  }
}

export function createLocal(init: StrategyInit): Strategy {
  return new LocalStrategy(init);
}
