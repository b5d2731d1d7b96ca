import { type ComponentSelection, firstComponents, gatherComponents } from '../../adapter/components.js';
import { expandRanks } from '../../adapter/init.js';
import type { Adapter, AdapterLayout } from '../../adapter/layout.js';
import type { ClientAdapters, ClientInfo, StrategyInit } from '../strategy.js';
import { AveragingStrategy } from './averaging.js';

/** The frame of methods whose merged adapter has the largest rank of all clients and whose clients get its first ranks. */
export class MixedRanksStrategy extends AveragingStrategy {
  constructor(id: string, init: StrategyInit) {
    const rank = Math.max(...init.clients.map((client) => client.rank), init.config.lora_r);
    super(
      id,
      init,
      expandRanks(init.layout, init.initial, () => rank, init.seed),
    );
  }

  protected selection(client: ClientInfo): ComponentSelection {
    return firstComponents(this.layout, client.rank);
  }

  protected override sentLayout(client: ClientInfo): AdapterLayout {
    return this.selection(client).to;
  }

  protected override startFor(client: ClientInfo, values: Float32Array): Adapter {
    const selection = this.selection(client);
    return { layout: selection.to, values: gatherComponents(selection, values), mask: null };
  }

  /** What this client can use of the merged adapter. */
  override personalize(client: ClientInfo): ClientAdapters {
    return { global: this.startFor(client, this.theta) };
  }
}
