import { expandRanks } from '../../adapter/init.js';
import type { Adapter } from '../../adapter/layout.js';
import { countOnes, jaccard, maskValues } from '../../adapter/masks.js';
import type { Phase, SearchPhase, TrackResult } from '../../client/job.js';
import { ConfigError } from '../../errors.js';
import type { ClientAdapters, ClientInfo, RoundContext, Strategy, StrategyInit } from '../strategy.js';
import { wireBytes } from '../wire.js';
import { AveragingStrategy, type ExtraState, type MergedRound } from './averaging.js';
import { loadByClient, saveByClient } from './perClient.js';

/** Share of a client's examples that score entries, and the bounds of their number. */
const SAMPLE_SHARE = 0.32;
const MIN_SAMPLES = 8;
const MAX_SAMPLES = 100;

/** Examples whose mean gradient scores a client's entries: min(100, 32 % of its own), at least 8, at most all. */
export function importanceSamples(numTrain: number, wanted: number | null): number {
  const samples = wanted ?? Math.max(MIN_SAMPLES, Math.min(MAX_SAMPLES, Math.round(SAMPLE_SHARE * numTrain)));
  return Math.min(samples, numTrain);
}

function requireRoom({ clients, config }: StrategyInit): void {
  const most = config.lora_r * config.expansion;
  const greedy = clients.find(({ rank }) => rank > most);
  if (greedy === undefined) return;
  throw new ConfigError(
    `Expected rank budgets of at most lora_r * expansion = ${most} with perfit but ${greedy.id} has ${greedy.rank}; raise expansion or lower rank_per_client.`,
    { code: 'RANK_ABOVE_EXPANSION' },
  );
}

/**
 * PerFIT (arXiv 2402.16919): every client searches its own architecture inside an adapter of `expansion` times the rank,
 * trains only that, and the server merges each entry over the clients that have it. The steps are in docs/methods.md.
 */
class PerfitStrategy extends AveragingStrategy {
  readonly personalizes = true;
  #masks = new Map<string, Uint8Array>();

  constructor(init: StrategyInit) {
    super(
      'perfit',
      init,
      expandRanks(init.layout, init.initial, (rank) => rank * init.config.expansion, init.seed),
    );
    requireRoom(init);
  }

  protected override maskOf(client: ClientInfo): Uint8Array | null {
    return this.#masks.get(client.id) ?? null;
  }

  #searches(client: ClientInfo, round: number): boolean {
    const { search_round: first, search_every: every } = this.config;
    if (round < first) return false;
    return !this.#masks.has(client.id) || (every > 0 && round > first && (round - first) % every === 0);
  }

  /** Whoever searches now, or has no mask yet, gets the dense adapter as it is. */
  protected override isMutable(client: ClientInfo, round: number): boolean {
    if (round < this.config.search_round) return true;
    return !this.#searches(client, round);
  }

  protected override startFor(client: ClientInfo, values: Float32Array, round: number): Adapter {
    if (this.#searches(client, round)) return { layout: this.layout, values: this.theta, mask: null };
    return super.startFor(client, values, round);
  }

  protected override phases(client: ClientInfo, context: RoundContext): Phase[] {
    const training = context.trainPhase(client);
    if (!this.#searches(client, context.round)) return [training];
    const { kind: _, ...warmup } = context.trainPhase(client, { steps: this.config.warmup_steps });
    const search: SearchPhase = {
      kind: 'search',
      warmup,
      importanceSamples: importanceSamples(client.numTrain, this.config.importance_samples),
      stages: this.config.stages,
      prune: this.config.prune,
      scope: this.config.prune_scope,
      budgetRank: client.rank,
      rewind: this.config.rewind,
    };
    return [search, training];
  }

  protected override bytesDown(client: ClientInfo, round: number): number {
    const mask = this.#searches(client, round) ? null : this.maskOf(client);
    return wireBytes({ layout: this.layout, mask });
  }

  /** An update says which entries it holds: the mask travels with the values. */
  protected override bytesUp(_client: ClientInfo, main: TrackResult): number {
    const { mask } = main.adapter;
    return wireBytes({ layout: this.layout, mask, sendMask: mask === null ? 'none' : this.config.prune });
  }

  /** An update may belong to an earlier round than the one it joins, so its own mask says whether its client searched. */
  protected override learn({ results }: MergedRound): Readonly<Record<string, unknown>> {
    const searched = results.filter(({ client, main }) => {
      const { mask } = main.adapter;
      const before = this.#masks.get(client.id);
      return mask !== null && !before?.every((bit, p) => bit === mask[p]);
    });
    for (const { client, main } of searched) this.#masks.set(client.id, main.adapter.mask!);
    if (searched.length === 0) return {};
    const masks = [...this.#masks].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, mask]) => mask);
    const kept = searched.map(({ client, main }) => [client.id, countOnes(main.adapter.mask!) / this.layout.size]);
    return { kept: Object.fromEntries(kept), meanOverlap: meanOverlap(masks) };
  }

  override personalize(client: ClientInfo): ClientAdapters {
    const mask = this.maskOf(client);
    const shared = super.personalize(client);
    if (mask === null) return shared;
    return { ...shared, personalized: { layout: this.layout, values: maskValues(this.theta, mask), mask } };
  }

  protected override extraState(): ExtraState {
    return saveByClient('mask', this.#masks);
  }

  protected override restoreExtra(tensors: Readonly<ExtraState>): void {
    this.#masks = loadByClient<Uint8Array>('mask', tensors);
  }
}

/** Mean Jaccard overlap over all pairs; 1 for a single mask. */
function meanOverlap(masks: readonly Uint8Array[]): number {
  let sum = 0;
  let pairs = 0;
  masks.forEach((mask, i) => {
    for (const other of masks.slice(i + 1)) {
      sum += jaccard(mask, other);
      pairs++;
    }
  });
  return pairs === 0 ? 1 : sum / pairs;
}

export function createPerfit(init: StrategyInit): Strategy {
  return new PerfitStrategy(init);
}
