import type { Adapter } from '../adapter/layout.js';
import type { ClientResult } from '../client/job.js';
import type { RunConfig } from '../config/schema.js';
import type { Evaluation, Score } from '../contracts/evaluation.js';
import type { RunEvent } from '../contracts/events.js';
import type { Progress } from '../contracts/progress.js';
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
