import type { Parts } from '../adapter/part.js';
import type { RunConfig } from '../config/schema.js';
import type { ExitCode } from '../errors.js';
import type { EvalSplit, KeptRounds, Which } from './evaluation.js';

/** Version of the messages; the two sides of a link must agree. */
export const MESSAGE_VERSION = 1;

/** The method, or the local training beside it (`also_local`); each has a state of its own at the owner. */
export type Arm = 'main' | 'local';

/** The turns of an owner's kept states to start from; 0: none, the owner has not taken part yet. */
export type StateTurns = Readonly<Record<Arm, number>>;

/** Tells an owner what run it is asked to take part in; it opens its data and says what it has. */
export interface DescribeRequest {
  readonly kind: 'describe';
  readonly config: RunConfig;
  readonly baseSha256: string;
  /** Of the files from which tokenizer and chat template of the base are made. */
  readonly tokenizerSha256: string;
  /** Of the prompt template's file; null for a template of fedtune or of the base. */
  readonly templateSha256: string | null;
  /** Rank budget of this owner. */
  readonly rank: number;
  /** Splits that the data set gives for anybody (an owner without such rows then has none of them drawn). */
  readonly givenSplits: readonly EvalSplit[];
}

/** What an owner says of its data: counts, and digests that show whether they changed. */
export interface Description {
  readonly kind: 'description';
  readonly train: SplitCounts;
  readonly valid: SplitCounts;
  readonly test: SplitCounts;
  /** Training examples by category, where examples have one. */
  readonly categories: Readonly<Record<string, number>>;
  /** Examples that were left out, of those looked at. Why each was, its owner alone knows. */
  readonly dropped: DroppedCounts;
  /** Examples that were cut to `seq_length`, of those in use. */
  readonly numCut: number;
  /** Target tokens of those that were cut off. */
  readonly numTargetsLost: number;
  /** sha256 over ids, tokens and masks of the examples in use. */
  readonly dataSha256: string;
  readonly baseSha256: string;
  readonly kernels: string;
}

/** How many examples were left out, by why. */
export interface DroppedCounts {
  /** Over `seq_length` (`on_long: drop`), or with no target token left after the cut. */
  readonly long: number;
  /** Without any target token. */
  readonly empty: number;
  /** Refused by the template. */
  readonly refused: number;
  /** For training, but held out for validation or test as well. */
  readonly repeated: number;
}

export interface SplitCounts {
  readonly examples: number;
  readonly tokens: number;
  /** Those of them that are targets. */
  readonly targets: number;
}

/** Asks for local training. Everything that is drawn comes from `seed`, so the work can be done again to the same bits. */
export interface TrainRequest {
  readonly kind: 'train';
  readonly arm: Arm;
  /** The round that schedules and displays count. */
  readonly round: number;
  /** Which piece of work this is: the round, or in asynchronous mode the dispatch; names the state that it leaves. */
  readonly turn: number;
  /** Counts from 0; a later attempt does the same work again. */
  readonly attempt: number;
  /** Derived from (run seed, turn, owner); orders examples and seeds dropout. */
  readonly seed: number;
  /** Turn of the kept state to start from; 0: none. */
  readonly state: number;
  /** Turns whose states the server may still come back to; others may go. */
  readonly keep: readonly number[];
  readonly parts: Parts;
  readonly note: unknown;
}

export interface Update {
  readonly kind: 'update';
  readonly round: number;
  readonly turn: number;
  readonly parts: Parts;
  readonly note: unknown;
  /** Mean NLL of each optimizer step of the uploaded track, nats a target token. */
  readonly losses: readonly number[];
  /** Tokens that passed through training and through search, and target tokens of both, over all tracks. */
  readonly tokens: { readonly train: number; readonly search: number; readonly targets: number };
  /**
   * Seconds of work, one entry; outside of everything that must be equal between runs. An array, so that its length on the wire,
   * which is counted, does not depend on the clock.
   */
  readonly seconds: Float64Array;
}

/** Asks for scores on the owner's own examples. */
export interface ScoreRequest {
  readonly kind: 'score';
  readonly round: number;
  readonly split: EvalSplit;
  /** What is to be scored, of what exists; never `tuned`, and `unmerged` at the end alone. */
  readonly which: readonly Which[];
  readonly states: StateTurns;
  /** What the server offers to everybody. */
  readonly parts: Parts;
  readonly note: unknown;
}

/** Sum of the NLL over the target tokens of a split, in nats, and their number. */
export interface NllSum {
  readonly nll: number;
  readonly tokens: number;
}
export type NllSums = Readonly<Partial<Record<Which, NllSum>>>;

export interface Scored {
  readonly kind: 'scored';
  /** Empty where the owner has no examples in the split. */
  readonly scores: NllSums;
  /** Tokens of the examples, once for each adapter that was asked for. */
  readonly tokens: number;
}

/** After the last round: fine-tuning, scores of everything on validation and test, the choice, the export. */
export interface FinishRequest {
  readonly kind: 'finish';
  readonly round: number;
  /** Seeds the fine-tuning. */
  readonly seed: number;
  readonly states: StateTurns;
  readonly parts: Parts;
  readonly note: unknown;
}

export interface Finished {
  readonly kind: 'finished';
  readonly valid: NllSums;
  readonly test: NllSums;
  /** Which adapter the owner took; the adapter itself stays. */
  readonly takeHome: Which;
  /** `keep: best_on_validation`: the rounds that its own adapters are of. */
  readonly rounds?: KeptRounds;
  /** `local`: of who trains alone beside the method, after the last round. */
  readonly tokens: { readonly eval: number; readonly tune: number; readonly local: number };
  /** Why there is no `tuned`, or no further training of `local`, where there should be. */
  readonly tuneFailure: WireError | null;
}

/** An error as plain data, so that class, code and causes hold on the other side. */
export interface WireError {
  /** Name of the class, for errors of fedtune; others come back as FedtuneError. */
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly exitCode: ExitCode;
  readonly stack: string | null;
  readonly cause: WireError | null;
}

export interface Failure {
  readonly kind: 'error';
  readonly error: WireError;
}

export type Request = DescribeRequest | TrainRequest | ScoreRequest | FinishRequest;
export type Reply = Description | Update | Scored | Finished | Failure;
/** The reply to each kind of request, where it does not fail. */
export interface ReplyTo {
  readonly describe: Description;
  readonly train: Update;
  readonly score: Scored;
  readonly finish: Finished;
}
