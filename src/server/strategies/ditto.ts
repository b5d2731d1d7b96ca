import type { Adapter } from '../../adapter/layout.js';
import type { Track } from '../../client/job.js';
import { trackOf } from '../results.js';
import type { ClientAdapters, ClientInfo, RoundContext, Strategy, StrategyInit } from '../strategy.js';
import { AveragingStrategy, type ExtraState, type MergedRound } from './averaging.js';
import { loadByClient, saveByClient } from './perClient.js';

/**
 * Ditto (arXiv 2012.04221): fedavg, and beside it a personal adapter v_i trained with ditto_lambda / 2 * |v_i -
 * received|^2. It never leaves the client; its tokens count.
 */
class DittoStrategy extends AveragingStrategy {
  readonly personalizes = true;
  #personal = new Map<string, Float32Array>();

  protected override personalTracks(client: ClientInfo, received: Adapter, context: RoundContext): Track[] {
    // A client's first personal adapter is the merged one, which what it received may be a mutant of.
    const values = this.#personal.get(client.id) ?? this.theta;
    const phase = context.trainPhase(client, { proxMu: this.config.ditto_lambda, anchor: received.values });
    return [{ name: 'personal', adapter: { ...received, values }, phases: [phase] }];
  }

  protected override learn({ results }: MergedRound): Readonly<Record<string, unknown>> {
    for (const { client, result } of results) {
      this.#personal.set(client.id, trackOf(result, 'personal').adapter.values);
    }
    return {};
  }

  override personalize(client: ClientInfo): ClientAdapters {
    const values = this.#personal.get(client.id);
    const shared = super.personalize(client);
    return values === undefined ? shared : { ...shared, personalized: { layout: this.layout, values, mask: null } };
  }

  protected override extraState(): ExtraState {
    return saveByClient('personal', this.#personal);
  }

  protected override restoreExtra(tensors: Readonly<ExtraState>): void {
    this.#personal = loadByClient<Float32Array>('personal', tensors);
  }
}

export function createDitto(init: StrategyInit): Strategy {
  return new DittoStrategy('ditto', init);
}
