import type { Adapter } from '../adapter/layout.js';
import type { ClientResult } from '../client/job.js';
import type { RunConfig } from '../config/schema.js';
import type { MeanScore, Score } from '../eval/score.js';
import type { ClientPool } from '../runtime/types.js';
import type { ClientInfo, Strategy, StrategyState } from './strategy.js';

/** A client with its data: indices in the tokenised data of the run. */
export interface RunClient extends ClientInfo {
  readonly train: readonly number[];
  readonly valid: readonly number[];
  readonly test: readonly number[];
}

/** A kind of device on the virtual clock. */
export type DeviceProfile = RunConfig['devices'][number];

/** What a score belongs to, in the order in which ties are decided. */
export const WHICH = ['base', 'local', 'global', 'personalized', 'tuned'] as const;
export type Which = (typeof WHICH)[number];
export type Scores = Partial<Record<Which, Score>>;

/** Scores of all clients after a round. */
export interface Evaluation {
  readonly round: number;
  readonly split: 'valid' | 'test';
  readonly macro: Partial<Record<Which, MeanScore>>;
  readonly weighted: Partial<Record<Which, MeanScore>>;
}

/** Everything counted over the run. Bytes are those of a real wire; tokens those that passed through the model. */
export interface Totals {
  bytesUp: number;
  bytesDown: number;
  train: number;
  search: number;
  eval: number;
  /** Training tokens of `also_local`, not part of `train`. */
  local: number;
  /** Training tokens of the fine-tuning after the last round, not part of `train`. */
  tune: number;
}

/** An update that has not been merged yet: late, or under way in asynchronous mode. */
export interface PendingUpdate {
  readonly result: ClientResult;
  /** The adapter that the client's main track started from. */
  readonly sent: Adapter;
  /** Merges that the server had done when it was sent. */
  readonly version: number;
  /** Virtual second at which it reaches the server. */
  readonly arrives: number;
}

/** All that a run needs to go on after a round, bit by bit. */
export interface LoopState {
  /** Rounds done. */
  readonly round: number;
  readonly strategies: Readonly<Record<string, StrategyState>>;
  readonly totals: Totals;
  /** Virtual seconds. */
  readonly clock: number;
  readonly pending: readonly PendingUpdate[];
  /** Asynchronous mode: jobs handed out so far. */
  readonly dispatched: number;
  /** Scores of the bare base on the split that is evaluated during the run, by client. */
  readonly baseScores: Readonly<Record<string, Score>>;
  readonly evaluations: readonly Evaluation[];
}

/** One line of events.jsonl, without its time stamp. */
export type RunEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Live progress, for a display only. */
export type Progress =
  | { readonly kind: 'round'; readonly round: number; readonly numRounds: number; readonly clients: number }
  | {
      readonly kind: 'job';
      readonly round: number;
      readonly client: string;
      readonly tokens: number;
      readonly seconds: number;
      readonly loss: number | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly round: number;
      readonly client: string;
      readonly message: string;
      /** Whether the job is tried again. */
      readonly again: boolean;
    }
  | { readonly kind: 'evaluating'; readonly round: number; readonly jobs: number }
  | { readonly kind: 'evaluated'; readonly evaluation: Evaluation }
  | { readonly kind: 'tuning'; readonly clients: number };

/** What the loop needs from outside. */
export interface LoopHost {
  readonly pool: ClientPool;
  /** Appends to the run's record. */
  emit(event: RunEvent): void;
  /** Makes the state after a round durable, with the events before it. */
  checkpoint(state: LoopState): Promise<void>;
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

/** A federation that is ready to run. */
export interface Federation {
  readonly config: RunConfig;
  /** Sorted by id. */
  readonly clients: readonly RunClient[];
  readonly strategy: Strategy;
  /** `also_local`: each client alone, beside the method. */
  readonly localStrategy?: Strategy;
}
