import { type Factors, factorMask } from '../adapter/factors.js';
import type { Adapter, AdapterLayout } from '../adapter/layout.js';
import { type Part, packPart } from '../adapter/part.js';
import { aggregationError, type Measured, measuredModules } from '../merge/aggregationError.js';
import type { Arithmetic } from '../merge/arithmetic.js';
import type { MergeRow } from '../merge/mean.js';
import { robustMerge } from '../merge/robust.js';
import { RunningMean } from '../merge/runningMean.js';
import { isMutated } from '../mutation/options.js';
import { byCode } from '../order.js';
import type {
  AggregateResult,
  ClientInfo,
  ClientUpdate,
  OpenMerge,
  RoundContext,
  Sending,
  ServerHalf,
  ServerInit,
  StateDocument,
} from './method.js';
import { type Mutating, mutating } from './mutating.js';
import type { FactorRule, Merged, Outgoing, ServerHooks, Share } from './serverHooks.js';
import { type CheckedUpdate, checkUpdates, type Expected, partOf, readPart } from './updates.js';
import { clientWeight } from './weights.js';

/** What each client weighs in the merge, out of 1. */
function sharesOf(ids: readonly string[], rows: readonly MergeRow[]): Record<string, number> {
  const total = rows.reduce((sum, { weight }) => sum + weight, 0);
  return Object.fromEntries(rows.map(({ weight }, i) => [ids[i]!, weight / total]));
}

function sharing(): Share {
  const made = new Map<string, Part>();
  return (name, make) => {
    const part = made.get(name) ?? make();
    made.set(name, part);
    return part;
  };
}

/**
 * How far the mean of the factors is from that of the products, of what was measured. Where nobody uses the merged adapter whole, there
 * is no product to compare with.
 */
function errorOf(
  measured: Measured | null,
  rows: readonly MergeRow[],
  mean: Float32Array,
  { gram }: Arithmetic,
): object {
  if (measured === null || rows.some(({ mask }) => mask !== null)) return {};
  const { relative, modules } = aggregationError(measured.layout, rows, measured.take(mean), gram);
  return { aggregationError: relative, errorModules: modules };
}

const NONE = new Float32Array(0);

interface SavedServer {
  readonly theta: Float32Array;
  readonly recent: readonly Float32Array[];
  readonly mutation: StateDocument;
  readonly own: StateDocument;
}

/**
 * The server of every method that averages factors: one merged adapter, sent (perhaps mutated) to the sampled clients and
 * merged entry by entry from what they return. Without hooks it is fedavg's.
 */
export class AveragingServer implements ServerHalf {
  readonly #init: ServerInit<unknown>;
  readonly #hooks: ServerHooks;
  readonly #trains: (round: number) => Factors;
  readonly #averages: (round: number) => Factors;
  readonly #layout: AdapterLayout;
  readonly #mutating: Mutating | null;
  /** The merged adapter, never mutated; not written to once it is here. */
  #theta: Float32Array;
  /** The newest merged adapters, `average_last_rounds` at most, the last one last. */
  #recent: readonly Float32Array[] = [];
  /** What is scored and taken home: the mean of those. */
  #shown: Float32Array;
  /** What was offered since the last merge. */
  #offered: Share = sharing();
  readonly rebase?: NonNullable<ServerHalf['rebase']>;

  constructor(init: ServerInit<unknown>, hooks: ServerHooks, factors: FactorRule, isRebasable: boolean) {
    const start = hooks.start ?? { layout: init.layout, values: init.initial };
    this.#init = init;
    this.#hooks = hooks;
    this.#trains = factors.trains ?? (() => 'both');
    this.#averages = factors.averages ?? this.#trains;
    this.#layout = start.layout;
    this.#theta = start.values;
    this.#shown = start.values;
    const { merge, arithmetic } = init;
    this.#mutating = isMutated(merge) ? mutating(start.layout, merge, arithmetic, this.#averages) : null;
    if (isRebasable) this.rebase = (...late) => this.#rebase(...late);
  }

  /** The merged adapter of the last round, which the next one starts from. */
  get merged(): Float32Array {
    return this.#theta;
  }

  #maskOf(client: ClientInfo): Uint8Array | null {
    return this.#hooks.maskOf?.(client) ?? null;
  }

  #expected(client: ClientInfo): Expected {
    const layout = this.#hooks.layoutOf?.(client) ?? this.#layout;
    // A client's mask is in the layout of the merge; where its own layout is smaller, nothing of it is masked.
    return layout.size === this.#layout.size
      ? { layout, mask: this.#maskOf(client), fallback: this.#theta }
      : { layout };
  }

  #pack({ client, values, isMutant, round, share }: Outgoing): Sending {
    const factors = this.#averages(round);
    const mask = this.#maskOf(client);
    const pack = (): Part => packPart({ layout: this.#layout, values, mask }, { factors });
    return { parts: { adapter: isMutant || mask !== null ? pack() : share('adapter', pack) }, note: null };
  }

  send(context: RoundContext): ReadonlyMap<string, Sending> {
    const { round } = context;
    const mutable = context.clients
      .filter((client) => this.#hooks.isMutable?.(client, round) ?? true)
      .map((client) => ({ id: client.id, mask: this.#maskOf(client) }));
    const mutantOf = this.#mutating?.begin(context, mutable, this.#theta);
    const share = sharing();
    return new Map(
      context.clients.map((client) => {
        const values = mutantOf?.(client.id) ?? this.#theta;
        const isMutant = values !== this.#theta;
        const outgoing: Outgoing = { client, round, values, theta: this.#theta, isMutant, share };
        return [client.id, this.#hooks.send?.(outgoing) ?? this.#pack(outgoing)];
      }),
    );
  }

  #toRow(update: CheckedUpdate): MergeRow {
    if (this.#hooks.toRow) return this.#hooks.toRow(update);
    const { values, mask } = update.adapter;
    return { values, mask, weight: clientWeight(update.client, this.#init.merge) };
  }

  /** The updates sorted by client id, each checked. */
  #checked(updates: readonly ClientUpdate[], { round, clients }: RoundContext): CheckedUpdate[] {
    const factors = this.#averages(round);
    return checkUpdates(updates, round, clients, (client) => ({ ...this.#expected(client), factors }));
  }

  /** Where a factor stays with its client, there is no product of the merged factors to compare with. */
  #measured({ round, clients }: RoundContext): Measured | null {
    return this.#averages(round) === this.#trains(round) ? measuredModules(clients.length, this.#layout) : null;
  }

  /** From the mean of the rows to the merged adapter: what does not travel stays as it was, to the bit. */
  #step(merged: Float32Array, count: number, { round }: RoundContext, learn: (mean: Float32Array) => object) {
    const before = this.#theta;
    const only = factorMask(this.#layout, this.#averages(round));
    const mean = only === null ? merged : merged.map((value, p) => (only[p] === 1 ? value : before[p]!));
    const learned = learn(mean);
    const after = count === 0 ? before : (this.#hooks.step?.(before, mean) ?? mean);
    this.#theta = after;
    this.#show([...this.#recent, after].slice(-this.#init.merge.average_last_rounds));
    return { before, only, mean, after, learned };
  }

  check(update: ClientUpdate, context: RoundContext): void {
    for (const checked of this.#checked([update], context)) this.#hooks.check?.(checked);
  }

  openMerge(context: RoundContext): OpenMerge | undefined {
    const { combine, learn, meet } = this.#hooks;
    const needsAll = this.#mutating !== null || this.#init.merge.robust !== 'none';
    if (needsAll || combine !== undefined || learn !== undefined) return undefined;
    const sum = new RunningMean(this.#layout.size, this.#init.arithmetic.addRow);
    const measured = this.#measured(context);
    const rows: MergeRow[] = [];
    const took: Merged['took'][number][] = [];
    return {
      add: (update) => {
        for (const checked of this.#checked([update], context)) {
          const row = this.#toRow(checked);
          sum.add(row);
          took.push({ client: checked.client, mask: checked.adapter.mask });
          rows.push({ ...row, values: row.mask === null && measured !== null ? measured.take(row.values) : NONE });
        }
      },
      close: () => {
        const { mean, learned } = this.#step(
          sum.mean(this.#theta),
          took.length,
          context,
          () => meet?.({ took, context }) ?? {},
        );
        const ids = took.map(({ client }) => client.id);
        return {
          metrics: {
            ...errorOf(measured, rows, mean, this.#init.arithmetic),
            weights: sharesOf(ids, rows),
            ...learned,
          },
        };
      },
    };
  }

  aggregate(updates: readonly ClientUpdate[], context: RoundContext): AggregateResult {
    const merge = this.openMerge(context);
    if (merge !== undefined) {
      for (const update of updates.toSorted((a, b) => byCode(a.client, b.client))) merge.add(update);
      return merge.close();
    }
    const { round } = context;
    const checked = this.#checked(updates, context);
    const ids = checked.map(({ client }) => client.id);
    const plain = checked.map((update) => this.#toRow(update));
    const rows = this.#mutating?.weigh(ids, plain) ?? plain;
    const combine = this.#hooks.combine ?? ((r, b) => robustMerge(r, b, this.#init.merge, this.#init.arithmetic));
    const { merged, metrics: robust } = combine(rows, this.#theta);
    const took = checked.map(({ client, adapter: { mask } }) => ({ client, mask }));
    const { before, only, mean, after, learned } = this.#step(merged, rows.length, context, (mean) => ({
      ...this.#hooks.meet?.({ took, context }),
      ...this.#hooks.learn?.({ updates: checked, rows, mean, context }),
    }));
    const measured = this.#measured(context);
    const kept = measured === null ? [] : rows.map((row) => ({ ...row, values: measured.take(row.values) }));
    return {
      metrics: {
        ...errorOf(measured, kept, mean, this.#init.arithmetic),
        ...(this.#init.merge.robust === 'none' ? { weights: sharesOf(ids, rows) } : {}),
        ...robust,
        ...learned,
        ...this.#mutating?.end({ ids, rows, before, after, only, round }),
      },
    };
  }

  /** Takes up the newest merged adapters. */
  #show(recent: readonly Float32Array[]): void {
    this.#recent = recent;
    this.#offered = sharing();
    const rows = recent.map((values) => ({ values, mask: null, weight: 1 }));
    this.#shown = rows.length > 1 ? this.#init.arithmetic.mean(rows, this.#theta) : this.#theta;
  }

  offer(client: ClientInfo): Sending {
    const share = this.#offered;
    if (this.#hooks.offer) return this.#hooks.offer(client, this.#shown, share);
    const pack = (): Part => packPart({ layout: this.#layout, values: this.#shown, mask: null });
    return { parts: { adapter: share('adapter', pack) }, note: null };
  }

  global(): Adapter | undefined {
    if (this.#hooks.global) return this.#hooks.global(this.#shown);
    return { layout: this.#layout, values: this.#shown, mask: null };
  }

  masks(): ReadonlyMap<string, Uint8Array> {
    return this.#hooks.masks?.() ?? new Map();
  }

  #rebase(late: ClientUpdate, sent: Sending, factor: number, round: number): ClientUpdate {
    const client = this.#init.clients.find(({ id }) => id === late.client);
    const expected: Expected = client === undefined ? { layout: this.#layout } : this.#expected(client);
    const part = partOf(late.parts, 'adapter', `client ${late.client}`);
    const { layout, values, mask } = readPart(part, expected, `the late update of client ${late.client}`);
    const from = readPart(partOf(sent.parts, 'adapter', 'the server'), expected, `what client ${late.client} was sent`);
    const now = this.#theta;
    const moved = values.map((value, p) =>
      mask !== null && mask[p] === 0 ? 0 : now[p]! + factor * (value - from.values[p]!),
    );
    const adapter = packPart({ layout, values: moved, mask }, { factors: part.factors, mask: part.mask });
    return { ...late, round, parts: { ...late.parts, adapter } };
  }

  state(): StateDocument {
    const saved: SavedServer = {
      theta: this.#theta,
      recent: this.#recent,
      mutation: this.#mutating?.state() ?? null,
      own: this.#hooks.state?.() ?? null,
    };
    return saved;
  }

  restore(state: StateDocument): void {
    const { theta, recent, mutation, own } = state as SavedServer;
    this.#theta = theta;
    this.#show(recent);
    this.#mutating?.restore(mutation);
    this.#hooks.restore?.(own);
  }
}
