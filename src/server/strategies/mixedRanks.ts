import {
  type ComponentSelection,
  firstComponents,
  gatherComponents,
  scatterComponents,
} from '../../adapter/components.js';
import { expandRanks } from '../../adapter/init.js';
import type { Adapter, AdapterLayout } from '../../adapter/layout.js';
import type { ClientAdapters, ClientInfo, StrategyInit } from '../strategy.js';
import { wireBytes } from '../wire.js';
import { AveragingStrategy } from './averaging.js';

/** The frame of methods whose merged adapter has the largest rank of all clients and whose clients get its first ranks. */
export class MixedRanksStrategy extends AveragingStrategy {
  constructor(id: string, init: StrategyInit) {
    const rank = init.clients.reduce((most, client) => Math.max(most, client.rank), init.config.lora_r);
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

  /** What this client's ranks leave of the merged adapter, so that mutations are made and projected there. */
  protected override maskOf(client: ClientInfo): Uint8Array | null {
    const selection = this.selection(client);
    if (selection.to.size === this.layout.size) return null;
    const ones = new Uint8Array(selection.to.size).fill(1);
    return scatterComponents(selection, ones, new Uint8Array(this.layout.size));
  }

  protected override bytesDown(client: ClientInfo): number {
    return wireBytes({ layout: this.sentLayout(client) });
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
