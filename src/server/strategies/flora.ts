import type { DenseAdapter } from '../../adapter/components.js';
import { initialValues } from '../../adapter/init.js';
import { type Adapter, type AdapterLayout, withRanks } from '../../adapter/layout.js';
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
import { clientWeight } from '../weights.js';
import { wireBytes } from '../wire.js';
import { FrozenBranch, weighted } from './branch.js';

/**
 * FLoRA (arXiv 2409.05976): the clients' factors are stacked, [p_i A_i] and [B_i], which is the mean of their products
 * exactly and takes clients of unlike ranks; it is kept as a frozen branch, and every round starts with a fresh adapter
 * on top. The fresh A comes from a seed, so only the branch travels down.
 */
class FloraStrategy implements Strategy {
  readonly id = 'flora';
  readonly #init: StrategyInit;
  readonly #branch: FrozenBranch;
  /** Rounds merged so far; seeds the next fresh adapter. */
  #merged = 0;

  constructor(init: StrategyInit) {
    this.#init = init;
    this.#branch = new FrozenBranch(init.layout);
  }

  #layoutOf(rank: number): AdapterLayout {
    return withRanks(this.#init.layout, () => rank);
  }

  #fresh(rank: number): DenseAdapter {
    const layout = this.#layoutOf(rank);
    if (this.#merged > 0) return { layout, values: initialValues(layout, this.#init.seed, this.#merged) };
    return { layout, values: initialValues(layout, this.#init.seed) };
  }

  configure(context: RoundContext): ClientPlan[] {
    return context.clients.map((client) => {
      const { adapter, trainable } = this.#branch.join(this.#fresh(client.rank));
      const phases = [context.trainPhase(client, { trainable })];
      return { client: client.id, tracks: [{ name: 'main', adapter, phases }], bytesDown: this.#branch.bytes };
    });
  }

  aggregate(results: readonly ClientResult[], context: RoundContext): AggregateResult {
    const { merge_weights: merge } = this.#init.config;
    const checked = checkResults(results, context, ({ rank }) => this.#branch.layoutWith(this.#layoutOf(rank)));
    const total = checked.reduce((sum, { client }) => sum + clientWeight(client, merge), 0);
    const parts = checked.map(({ client, main }) => {
      const own = this.#branch.detach(main.adapter, this.#layoutOf(client.rank));
      return weighted(own, clientWeight(client, merge) / total);
    });
    if (parts.length > 0) this.#branch.append(parts);
    this.#merged = context.round;
    return {
      bytesUp: parts.reduce((sum, { layout }) => sum + wireBytes({ layout }), 0),
      metrics: { aggregationError: 0, branchRank: this.#branch.rank, branchBytes: this.#branch.bytes },
    };
  }

  uploadBytes(result: ClientResult, context: RoundContext): number {
    const rank = context.clients.find(({ id }) => id === result.client)?.rank ?? 0;
    return wireBytes({ layout: this.#layoutOf(rank) });
  }

  /** Without the fresh adapter, which adds nothing; before the first merge the fresh one, which is the base. */
  global(): Adapter {
    const { layout, values } = this.#branch.isEmpty ? this.#fresh(this.#init.config.lora_r) : this.#branch.held;
    return { layout, values, mask: null };
  }

  personalize(client: ClientInfo): ClientAdapters {
    const { adapter, trainable } = this.#branch.join(this.#fresh(client.rank));
    return { global: adapter, trainable };
  }

  state(): StrategyState {
    return { json: { id: this.id, merged: this.#merged }, tensors: this.#branch.state() };
  }

  restore({ json, tensors }: StrategyState): void {
    this.#merged = (json as { merged: number }).merged;
    this.#branch.restore(tensors);
  }
}

export function createFlora(init: StrategyInit): Strategy {
  return new FloraStrategy(init);
}
