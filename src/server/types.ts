import type { RunConfig } from '../config/schema.js';
import type { Evaluation, Score } from '../contracts/evaluation.js';
import type { RunEvent } from '../contracts/events.js';
import type { Arm, Update } from '../contracts/messages.js';
import type { Progress } from '../contracts/progress.js';
import type { Link } from '../links/link.js';
import type { Capabilities, ClientInfo, Sending, ServerHalf, StateDocument } from '../methods/method.js';

/** An owner by the counts that it told; the server holds nothing else of its data. */
export interface RunClient extends ClientInfo {
  readonly numValid: number;
  readonly numTest: number;
}

/** Everything counted over the run. Bytes are those of encoded messages; tokens those that passed through the model. */
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

/** A client's update as it came over the link. */
export interface Received {
  readonly client: string;
  readonly update: Omit<Update, 'seconds'>;
  /** Seconds of work. */
  readonly seconds: number;
  /** What the client was sent for it. */
  readonly sent: Sending;
  /** Of the encoded messages; 0 for a `silent` method, where nothing would travel. */
  readonly bytesDown: number;
  readonly bytesUp: number;
}

/** An update that has not been merged yet: late, or under way in asynchronous mode. */
export interface PendingUpdate {
  readonly received: Received;
  /** Merges that the server had done when it was sent. */
  readonly version: number;
  /** Virtual second at which it reaches the server. */
  readonly arrives: number;
}

/** By arm and client: the turn of the kept state that counts; absent: none yet. */
export type Turns = Readonly<Record<Arm, Readonly<Record<string, number>>>>;

/** All that a run needs to go on after a round, bit by bit, besides what the owners keep. */
export interface LoopState {
  /** Rounds done. */
  readonly round: number;
  readonly server: { readonly main: StateDocument; readonly local?: StateDocument };
  readonly turns: Turns;
  /** The same one state earlier, to which a run that grows goes back. */
  readonly turnsBefore: Turns;
  readonly totals: Totals;
  /** Virtual seconds. */
  readonly clock: number;
  readonly pending: readonly PendingUpdate[];
  /** Asynchronous mode: jobs handed out so far. */
  readonly dispatched: number;
  /** Scores of the bare base on the split that is evaluated during the run, by client. */
  readonly baseScores: Readonly<Record<string, Score>>;
  readonly evaluations: readonly Evaluation[];
  /** `keep: best_on_validation`: the server's half as it was after the best round of the shared adapter. */
  readonly best?: { readonly round: number; readonly server: StateDocument };
}

/** What the rounds need from outside. */
export interface LoopHost {
  readonly link: Link;
  /** Appends to the run's record. */
  emit(event: RunEvent): void;
  /** Makes the state after a round durable, with the events before it. */
  checkpoint(state: LoopState): Promise<void>;
  progress(progress: Progress): void;
  /** Between two rounds: the federation with owners that have come since; undefined where nobody has. */
  grow?(state: LoopState): Promise<Federation | undefined>;
  readonly signal: AbortSignal;
}

/** A federation that is ready to run. */
export interface Federation {
  readonly config: RunConfig;
  /** Sorted by id. */
  readonly clients: readonly RunClient[];
  readonly capabilities: Capabilities;
  /** The server's half of the method, and of the local training beside it (`also_local`). */
  readonly arms: { readonly main: ServerHalf; readonly local?: ServerHalf };
}
