import { type Factors, factorMask } from '../../adapter/factors.js';
import type { Adapter, AdapterLayout } from '../../adapter/layout.js';
import { maskValues } from '../../adapter/masks.js';
import type { ClientResult, Phase, Track, TrackResult } from '../../client/job.js';
import { aggregationError } from '../../merge/aggregationError.js';
import { plainArithmetic } from '../../merge/arithmetic.js';
import { type MergeMean, type MergeRow, mergeMean } from '../../merge/mean.js';
import { type RobustResult, robustMerge } from '../../merge/robust.js';
import { type MutationPlan, mutatedFactors, planMutation } from '../../mutation/plan.js';
import type { MutableClient } from '../../mutation/teams.js';
import { type CheckedResult, checkResults, trackOf } from '../results.js';
import type {
  AggregateResult,
  ClientAdapters,
  ClientInfo,
  ClientPlan,
  MethodOptions,
  RoundContext,
  Strategy,
  StrategyInit,
  StrategyState,
} from '../strategy.js';
import { clientWeight } from '../weights.js';
import { wireBytes } from '../wire.js';

/** One adapter in the space that a method works in, before any training. */
export interface StartPoint {
  readonly layout: AdapterLayout;
  readonly values: Float32Array;
}

/** A round's updates and their mean. */
export interface MergedRound {
  /** Sorted by client id. */
  readonly results: readonly CheckedResult[];
  /** The same as rows of the merge. */
  readonly rows: readonly MergeRow[];
  /** The merged adapter before any server optimizer. */
  readonly mean: Float32Array;
  readonly context: RoundContext;
}

/** `values` where `only` is 1, else `before`; null stands for all ones. */
function overlay(before: Float32Array, values: Float32Array, only: Uint8Array | null): Float32Array {
  return only === null ? values : values.map((value, p) => (only[p] === 1 ? value : before[p]!));
}

/** Tensors that a method keeps besides the merged adapter, by name. */
export type ExtraState = Record<string, Float32Array | Uint8Array>;

/**
 * The frame of every method that averages factors: one merged adapter, sent (perhaps mutated) to the sampled clients,
 * trained there and merged parameter by parameter. Methods override the small protected hooks; as it stands it is fedavg.
 */
export class AveragingStrategy implements Strategy {
  readonly id: string;
  protected readonly config: MethodOptions;
  protected readonly seed: number;
  protected readonly layout: AdapterLayout;
  /** The merged adapter, never mutated. */
  protected theta: Float32Array;
  /** The last global step g; null before the first merge. */
  #step: Float32Array | null = null;
  /** The clients' own updates of the last round, where the mutation is constrained by them. */
  #directions: readonly Float32Array[] = [];
  /** Round whose results are in `theta`; 0 before the first. */
  #merged = 0;
  /** The mutation of the running round, between `configure` and `aggregate`. */
  #plan: MutationPlan | null = null;
  protected readonly mergeMean: MergeMean;

  constructor(id: string, init: StrategyInit, start: StartPoint = { layout: init.layout, values: init.initial }) {
    this.id = id;
    this.config = init.config;
    this.seed = init.seed;
    this.layout = start.layout;
    this.theta = start.values.slice();
    this.mergeMean = init.mergeMean ?? mergeMean;
  }

  /** Factors that clients train in a round; the others are frozen. */
  protected trainedFactors(_round: number): Factors {
    return 'both';
  }

  /** Factors that travel up and are merged in a round. */
  protected averagedFactors(round: number): Factors {
    return this.trainedFactors(round);
  }

  /** The client's own mask, where it has one. */
  protected maskOf(_client: ClientInfo): Uint8Array | null {
    return null;
  }

  /** Whether a client may get a mutant this round (one that still has to search gets the plain adapter). */
  protected isMutable(_client: ClientInfo, _round: number): boolean {
    return true;
  }

  /** What the client starts from: `values` is the merged adapter, perhaps mutated, inside the client's mask. */
  protected startFor(client: ClientInfo, values: Float32Array, _round: number): Adapter {
    return { layout: this.layout, values, mask: this.maskOf(client) };
  }

  /** The phases of the uploaded track. */
  protected phases(client: ClientInfo, context: RoundContext): Phase[] {
    return [context.trainPhase(client, { trainable: factorMask(this.layout, this.trainedFactors(context.round)) })];
  }

  /** Tracks that stay with the client. */
  protected personalTracks(_client: ClientInfo, _received: Adapter, _context: RoundContext): Track[] {
    return [];
  }

  protected bytesDown(client: ClientInfo, round: number): number {
    const factors = this.downFactors(client, round);
    return wireBytes({ layout: this.sentLayout(client), mask: this.maskOf(client), factors });
  }

  /** Factors that the client does not have yet. */
  protected downFactors(_client: ClientInfo, round: number): Factors {
    return this.averagedFactors(round);
  }

  protected bytesUp(_client: ClientInfo, main: TrackResult, round: number): number {
    const { layout, mask } = main.adapter;
    return wireBytes({ layout, mask, factors: this.averagedFactors(round) });
  }

  /** The new merged adapter from the mean of the clients'; a server optimizer works here. */
  protected serverStep(mean: Float32Array): Float32Array {
    return mean;
  }

  /**
   * What a method learns from the round besides the mean (control variates, masks, personal adapters); may add metrics.
   * Called before the server's step, `theta` still being the old adapter.
   */
  protected learn(_round: MergedRound): Readonly<Record<string, unknown>> {
    return {};
  }

  /** The layout in which a client gets and returns its adapter. */
  protected sentLayout(_client: ClientInfo): AdapterLayout {
    return this.layout;
  }

  /** A client's update as a row of the merge, in this strategy's layout. */
  protected toRow({ client, main }: CheckedResult): MergeRow {
    const { values, mask } = main.adapter;
    return { values, mask, weight: clientWeight(client, this.config.merge_weights) };
  }

  /** The merge of the rows; `before` stands where no row has an entry. */
  protected combine(rows: readonly MergeRow[], before: Float32Array): RobustResult {
    return robustMerge(rows, before, this.config, { ...plainArithmetic, mean: this.mergeMean });
  }

  protected extraState(): ExtraState {
    return {};
  }

  protected restoreExtra(_tensors: Readonly<ExtraState>): void {}

  configure(context: RoundContext): ClientPlan[] {
    this.#plan = this.#planMutation(context);
    return context.clients.map((client) => {
      const own = maskValues(this.theta, this.maskOf(client));
      const adapter = this.startFor(client, this.#plan?.mutantOf(client.id, own) ?? own, context.round);
      const main: Track = { name: 'main', adapter, phases: this.phases(client, context) };
      return {
        client: client.id,
        tracks: [main, ...this.personalTracks(client, adapter, context)],
        bytesDown: this.bytesDown(client, context.round),
      };
    });
  }

  #planMutation(context: RoundContext): MutationPlan | null {
    if (this.config.mutation === 'none' || this.config.alpha === 0 || this.#step === null) return null;
    const clients = context.clients
      .filter((client) => this.isMutable(client, context.round))
      .map((client): MutableClient => ({ id: client.id, mask: this.maskOf(client) }));
    return planMutation({
      layout: this.layout,
      options: this.config,
      round: context.round,
      numRounds: context.numRounds,
      clients,
      numClients: context.clients.length,
      theta: this.theta,
      step: this.#step,
      directions: this.#directions,
      factors: mutatedFactors(this.config.mutate, this.averagedFactors(this.#merged), context.round),
      random: context.random('mutation'),
    });
  }

  aggregate(results: readonly ClientResult[], context: RoundContext): AggregateResult {
    const checked = checkResults(results, context, (client) => this.sentLayout(client));
    const before = this.theta;
    const averaged = this.averagedFactors(context.round);
    const only = factorMask(this.layout, averaged);
    // What does not travel (a client's own factor) must not weigh in norms and distances either.
    const rows = this.#rows(checked).map((row) => ({ ...row, values: overlay(before, row.values, only) }));
    const { merged, metrics: robust } = this.combine(rows, before);
    const mean = overlay(before, merged, only);
    const learned = this.learn({ results: checked, rows, mean, context });
    const after = rows.length === 0 ? before : this.serverStep(mean);
    this.#remember(rows, before, after, only, context.round);
    // Where a factor stays with its client, there is no product of the merged factors to compare with.
    const error = averaged === this.trainedFactors(context.round) ? aggregationError(this.layout, rows, mean) : null;
    const unbalanced = this.#unbalanced(checked);
    const mutation = this.#plan === null ? {} : { mutation: { ...this.#plan.metrics, unbalanced } };
    this.#plan = null;
    return {
      bytesUp: checked.reduce((sum, { client, main }) => sum + this.bytesUp(client, main, context.round), 0),
      metrics: {
        ...(error === null ? {} : { aggregationError: error.relative, errorModules: error.modules }),
        ...robust,
        ...learned,
        ...mutation,
      },
    };
  }

  uploadBytes(result: ClientResult, context: RoundContext): number {
    const client = context.clients.find(({ id }) => id === result.client);
    return client === undefined ? 0 : this.bytesUp(client, trackOf(result, 'main'), context.round);
  }

  /** Rows by client id; all members of a mutated team weigh their mean, or their mutations would not cancel. */
  #rows(checked: readonly CheckedResult[]): MergeRow[] {
    const rows = new Map(checked.map((result) => [result.client.id, this.toRow(result)]));
    for (const { members } of this.#plan?.teams ?? []) {
      if (!members.every((id) => rows.has(id))) continue;
      const weight = members.reduce((sum, id) => sum + rows.get(id)!.weight, 0) / members.length;
      for (const id of members) rows.set(id, { ...rows.get(id)!, weight });
    }
    return [...rows.values()];
  }

  /** Mutated teams of which some but not all came back. */
  #unbalanced(checked: readonly CheckedResult[]): number {
    const present = new Set(checked.map(({ client }) => client.id));
    return (this.#plan?.teams ?? []).filter(
      ({ members }) => members.some((id) => present.has(id)) && !members.every((id) => present.has(id)),
    ).length;
  }

  #remember(
    rows: readonly MergeRow[],
    before: Float32Array,
    after: Float32Array,
    only: Uint8Array | null,
    round: number,
  ): void {
    this.theta = after;
    this.#merged = round;
    if (this.config.mutation === 'none') return;
    this.#step = after.map((value, p) => value - before[p]!);
    if (this.config.qp_constraints !== 'clients') return;
    this.#directions = rows.map(({ values, mask }) =>
      values.map((value, p) => ((mask === null || mask[p] === 1) && only?.[p] !== 0 ? value - before[p]! : 0)),
    );
  }

  personalize(_client: ClientInfo): ClientAdapters {
    return { global: this.global()! };
  }

  global(): Adapter | undefined {
    return { layout: this.layout, values: this.theta, mask: null };
  }

  state(): StrategyState {
    const directions = this.#directions.map((row, k) => [`direction/${k}`, row] as const);
    return {
      json: { id: this.id, merged: this.#merged },
      tensors: {
        theta: this.theta,
        ...(this.#step === null ? {} : { step: this.#step }),
        ...Object.fromEntries(directions),
        ...this.extraState(),
      },
    };
  }

  restore({ json, tensors }: StrategyState): void {
    this.theta = (tensors.theta as Float32Array).slice();
    this.#step = (tensors.step as Float32Array | undefined) ?? null;
    this.#merged = (json as { merged: number }).merged;
    const count = Object.keys(tensors).filter((name) => name.startsWith('direction/')).length;
    this.#directions = Array.from({ length: count }, (_, k) => tensors[`direction/${k}`] as Float32Array);
    this.#plan = null;
    this.restoreExtra(tensors);
  }
}
