import type { Adapter, AdapterLayout } from '../adapter/layout.js';
import type { ClientResult, Track, TrainPhase } from '../client/job.js';
import type { RunConfig } from '../config/schema.js';
import type { MergeMean } from '../merge/mean.js';

/** What a strategy knows of a client. */
export interface ClientInfo {
  readonly id: string;
  /** Training examples. */
  readonly numTrain: number;
  /** Target tokens of the training examples. */
  readonly numTargets: number;
  /** Rank budget of this client (`rank_per_client`, memory budget or `lora_r`). */
  readonly rank: number;
}

/** What every hook gets. All randomness comes from `random`, which is seeded by (run seed, round, purpose). */
export interface RoundContext {
  /** Training rounds count from 1. */
  readonly round: number;
  readonly numRounds: number;
  /** The sampled clients of this round, sorted by id. */
  readonly clients: readonly ClientInfo[];
  /** The clients sampled for the next round, sorted by id (mutants are made for them); empty after the last. */
  readonly nextClients: readonly ClientInfo[];
  readonly allClients: readonly ClientInfo[];
  /** A stream of uniform numbers in [0, 1) for one purpose; the same purpose gives the same stream. */
  random(purpose: string): () => number;
  /**
   * Defaults of a training phase of this client in this round: steps (`local_steps`, or `local_epochs` of its examples),
   * batch size, learning rates. With `steps` overridden the learning rates follow: the schedule over rounds is
   * stretched over that many steps. No mask, no anchor, no proximal term unless overridden.
   */
  trainPhase(client: ClientInfo, overrides?: Partial<TrainPhase>): TrainPhase;
}

/** The server's order to one client, and what sending it costs on a real wire. */
export interface ClientPlan {
  /** A sampled client, or `POOLED`, whose plan trains on the examples of all clients together (`centralized`). */
  readonly client: string;
  readonly tracks: readonly Track[];
  readonly bytesDown: number;
}

export interface AggregateResult {
  readonly bytesUp: number;
  /** Numbers for events.jsonl: aggregation error, lambda, c, alpha, angles, norms ... */
  readonly metrics: Readonly<Record<string, unknown>>;
}

/** Named tensors and JSON that bring a strategy back bit by bit. */
export interface StrategyState {
  readonly json: unknown;
  readonly tensors: Readonly<Record<string, Float32Array | Uint8Array>>;
}

/** Which adapters an owner could take home. Missing ones do not exist for the method. */
export interface ClientAdapters {
  /** What the server's merge gives everybody (as this client can use it). */
  readonly global?: Adapter;
  /** The owner's own adapter as it leaves the federation. */
  readonly personalized?: Adapter;
  /** Trained alone (method `local`). */
  readonly local?: Adapter;
  /** One byte an entry: 0 must stay as it is in local fine-tuning (a frozen branch or factor). Absent: all may train. */
  readonly trainable?: Uint8Array;
}

/** A federated method: four hooks around the fixed loop in src/server/loop.ts. */
export interface Strategy {
  readonly id: string;
  /** Whether owners end with adapters of their own, even if there are none before the first round. @default false */
  readonly personalizes?: boolean;
  /** What each sampled client receives and does. */
  configure(context: RoundContext): ClientPlan[];
  /** Merges the results (sorted by client id). A client that failed is absent. */
  aggregate(results: readonly ClientResult[], context: RoundContext): AggregateResult;
  /** Bytes that the upload of this result takes on a real wire, for the virtual clock. @default the whole adapter */
  uploadBytes?(result: ClientResult, context: RoundContext): number;
  /** The adapters that exist for a client now, never mutated. */
  personalize(client: ClientInfo): ClientAdapters;
  /** The merged adapter, where the method has one. */
  global(): Adapter | undefined;
  /** Everything that the rest of the run needs, taken between rounds (after `aggregate`, before `configure`). */
  state(): StrategyState;
  restore(state: StrategyState): void;
}

/** The keys of the run file that strategies read (src/config/keys/method.ts); a RunConfig has them all. */
export type MethodOptions = Pick<RunConfig, MethodKey>;

type MethodKey =
  | 'method'
  | 'lora_r'
  | 'num_rounds'
  | 'merge_weights'
  | 'prox_mu'
  | 'ditto_lambda'
  | 'server_lr'
  | 'server_momentum'
  | 'server_tau'
  | 'expansion'
  | 'warmup_steps'
  | 'importance_samples'
  | 'stages'
  | 'prune'
  | 'prune_scope'
  | 'rewind'
  | 'search_every'
  | 'search_round'
  | 'mutation'
  | 'alpha'
  | 'beta_0'
  | 'mutation_decay'
  | 'mutation_groups'
  | 'mutate'
  | 'cone_degrees'
  | 'qp_constraints'
  | 'momentum_cap'
  | 'centered'
  | 'robust'
  | 'trim_fraction'
  | 'byzantine'
  | 'krum_select'
  | 'clip_norm';

/** What a strategy is made from. */
export interface StrategyInit {
  /** Layout at the base rank with the base scale s = lora_alpha / lora_r (or / sqrt(lora_r) with rsLoRA). */
  readonly layout: AdapterLayout;
  /** Values of the fresh adapter: A Kaiming-uniform (a = sqrt 5, as PEFT), B zero. Equal for every client. */
  readonly initial: Float32Array;
  /** Every client of the run, sorted by id. */
  readonly clients: readonly ClientInfo[];
  readonly seed: number;
  readonly config: MethodOptions;
  /** The weighted mean, e.g. the engine's. @default the TypeScript one, equal to the bit */
  readonly mergeMean?: MergeMean;
}
