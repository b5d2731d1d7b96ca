import type { z } from 'zod';
import type { Adapter, AdapterLayout } from '../adapter/layout.js';
import type { Parts } from '../adapter/part.js';
import type { Arithmetic } from '../merge/arithmetic.js';
import type { MergeOptions } from '../merge/options.js';
import type { MutationOptions } from '../mutation/options.js';
import type { WeightOptions } from './weights.js';
import type { Track, TrackResult, TrainPhase } from './work.js';

/** What the server knows of an owner, from what the owner told. */
export interface ClientInfo {
  readonly id: string;
  /** Training examples. */
  readonly numTrain: number;
  /** Target tokens of the training examples. */
  readonly numTargets: number;
  /** Rank budget of this client (`rank_per_client`, memory budget or `lora_r`). */
  readonly rank: number;
}

/** What a method can be combined with. The tables of docs and the checks of the run file are derived from these. */
export interface Capabilities {
  /** What it gives an owner: the merged adapter, one of its own, or one trained alone. */
  readonly gives: readonly ('local' | 'global' | 'personalized')[];
  /** Clients of unlike ranks (`rank_per_client`, `memory_budget_mb`). @default false */
  readonly mixedRanks?: boolean;
  /** A robust merge can stand in for its mean (`robust`). @default false */
  readonly robust?: boolean;
  /** An update can be moved onto a later merged adapter (late and asynchronous updates). @default false */
  readonly rebasable?: boolean;
  /**
   * An entry of a client's adapter stands for the same from round to round, so that moments of the optimizer can be kept
   * (`optimizer_state: keep`). @default false
   */
  readonly aligned?: boolean;
  /** There is a global step from round to round to mutate along (`mutation`). @default false */
  readonly mutable?: boolean;
  /** One client trains on the examples of all (`centralized`); simulations only. @default false */
  readonly pooled?: boolean;
  /** Nothing travels, so nothing is counted (`local`, `centralized`). @default false */
  readonly silent?: boolean;
}

/** A value of JSON with typed arrays anywhere in it: what is saved of a half between rounds. */
export type StateDocument = unknown;

/** What both halves are made from. */
export interface MethodInit<Options> {
  /** Layout at the base rank `lora_r` with the base scale. */
  readonly layout: AdapterLayout;
  /** Values of the fresh adapter, equal for every client: A Kaiming-uniform (a = sqrt 5, as PEFT), B zero. */
  readonly initial: Float32Array;
  readonly seed: number;
  readonly numRounds: number;
  /** The method's own options, checked and complete. */
  readonly options: Options;
}

export interface ServerInit<Options> extends MethodInit<Options> {
  /** The run file's keys on merging and mutation, which belong to no method. */
  readonly merge: MergeOptions & MutationOptions & WeightOptions;
  /** Every client of the run, sorted by id. */
  readonly clients: readonly ClientInfo[];
  /** Sums over many adapters: the engine's, or the plain ones, equal to the bit. */
  readonly arithmetic: Arithmetic;
}

/** What every hook of the server gets. All randomness comes from `random`, seeded by (run seed, round, purpose). */
export interface RoundContext {
  /** Training rounds count from 1; asynchronous mode counts merges. */
  readonly round: number;
  readonly numRounds: number;
  /** The sampled clients of this round (in `aggregate`: also those whose late update joins), sorted by id. */
  readonly clients: readonly ClientInfo[];
  /** The clients sampled for the next round, sorted by id; empty after the last. */
  readonly nextClients: readonly ClientInfo[];
  readonly allClients: readonly ClientInfo[];
  /** A stream of uniform numbers in [0, 1) for one purpose; the same purpose gives the same stream. */
  random(purpose: string): () => number;
  /** Optimizer steps of a client in a round, by `local_steps`, `local_epochs` or `total_steps`. */
  stepsOf(client: ClientInfo): number;
}

/** What one client is sent: packed adapters and, where a method needs it, some JSON. */
export interface Sending {
  readonly parts: Parts;
  /** Plain JSON; null where there is none. */
  readonly note: unknown;
}

/** A client's update as the server gets it. */
export interface ClientUpdate extends Sending {
  readonly client: string;
  readonly round: number;
}

export interface AggregateResult {
  /** Numbers for events.jsonl: aggregation error, lambda, c, alpha, angles, norms ... */
  readonly metrics: Readonly<Record<string, unknown>>;
}

/** A merge that takes updates one after the other, so that none of them need be kept. */
export interface OpenMerge {
  /** Clients come sorted by id. Throws FedtuneError or AdapterError that names the client; the server is as before then. */
  add(update: ClientUpdate): void;
  /** What `aggregate` gives for the updates that were added, to the bit; only now the server moves on. */
  close(): AggregateResult;
}

/** The server's half of a method. It never sees a row, a token or a personal adapter. */
export interface ServerHalf {
  /** What each sampled client receives this round; sorted as `context.clients` (`pooled` methods: one for POOLED). */
  send(context: RoundContext): ReadonlyMap<string, Sending>;
  /**
   * Merges the updates (sorted by client id); clients that failed are absent. Each is checked before anything is merged.
   * Throws FedtuneError or AdapterError that names the client.
   */
  aggregate(updates: readonly ClientUpdate[], context: RoundContext): AggregateResult;
  /**
   * Throws what `aggregate` would because of this update alone, FedtuneError or AdapterError: asked as each comes, where they are not merged
   * as they come, so that one that cannot be merged is its client's failure. Without it such an update ends the run.
   */
  check?(update: ClientUpdate, context: RoundContext): void;
  /** Begins a merge of what comes, for a round without late updates; undefined where the method needs several updates at once. */
  openMerge?(context: RoundContext): OpenMerge | undefined;
  /** What a client is given to score and to go home with: the merged adapter as it can use it, never mutated. */
  offer(client: ClientInfo): Sending;
  /** The merged adapter, where the method has one; it is exported where `gives` has `global`. */
  global(): Adapter | undefined;
  /**
   * A late update as if its client had started from the adapter of now: now + factor * (result - sent), inside its mask.
   * Only methods that are `rebasable` have it.
   */
  rebase?(late: ClientUpdate, sent: Sending, factor: number, round: number): ClientUpdate;
  /** The masks of clients where the merge needs them, by client id. */
  masks?(): ReadonlyMap<string, Uint8Array>;
  /** Everything that the rest of the run needs, taken between rounds. */
  state(): StateDocument;
  restore(state: StateDocument): void;
}

/** What every hook of a client gets. */
export interface ClientContext {
  readonly client: ClientInfo;
  /** Counts from 1; 0 when scoring before the first. */
  readonly round: number;
  /**
   * A training phase of this client in this round by the run file: steps, batch size, learning rates. With `steps`
   * overridden the learning rates follow: the schedule over rounds is stretched over that many steps.
   */
  trainPhase(overrides?: Partial<TrainPhase>): TrainPhase;
}

/** Adapters that exist for an owner. */
export interface ClientAdapters {
  /** What the server's merge gives everybody (as this client can use it). */
  readonly global?: Adapter;
  /** The owner's own adapter. */
  readonly personalized?: Adapter;
  /** Trained alone (method `local`). */
  readonly local?: Adapter;
  /** One byte an entry: 0 must stay as it is in local fine-tuning (a frozen branch or factor). Absent: all may train. */
  readonly trainable?: Uint8Array;
}

/** What a client keeps at home and what it sends. */
export interface Kept extends Sending {
  /** Undefined where the method keeps nothing. */
  readonly state: StateDocument | undefined;
}

/**
 * The client's half of a method: pure functions of what was received and of the state that is kept at home (undefined
 * before the first), so that any worker can do a round again and get the same bits.
 */
export interface ClientHalf {
  /** The local work of this round. */
  work(received: Sending, state: StateDocument | undefined, context: ClientContext): readonly Track[];
  /** What is kept and sent after it. */
  keep(
    received: Sending,
    results: readonly TrackResult[],
    state: StateDocument | undefined,
    context: ClientContext,
  ): Kept;
  /** The adapters that exist for this owner, from what the server offers and what is kept. */
  adapters(offered: Sending, state: StateDocument | undefined, client: ClientInfo): ClientAdapters;
}

export type Shape = Readonly<Record<string, z.ZodType>>;
/** The values of a method's options. */
export type OptionsOf<S extends Shape> = z.output<z.ZodObject<S>>;

/** A federated method: one file with its id, what it can be combined with, its options and both halves. */
export interface Method<Options extends Shape = Shape, Id extends string = string> {
  /** Lower-case id, as run files name it. */
  readonly id: Id;
  /** One line for lists. */
  readonly summary: string;
  readonly capabilities: Capabilities;
  /** Its keys in the run file: a zod type each, with default and description. */
  readonly options: Options;
  /** The round in which clients do something that they do in none before, as a search: estimates go through it. @default 1 */
  turn?(options: OptionsOf<Options>, numRounds: number): number;
  server(init: ServerInit<OptionsOf<Options>>): ServerHalf;
  client(init: MethodInit<OptionsOf<Options>>): ClientHalf;
}

/** A method as it is written, for its types: `export default defineMethod({...})`. */
export function defineMethod<Options extends Shape, const Id extends string>(
  method: Method<Options, Id>,
): Method<Options, Id> {
  return method;
}
