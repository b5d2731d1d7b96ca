import type { RunConfig } from '../config/schema.js';
import type { Evaluation, Scores, Which } from './evaluation.js';

/** A new run begins; the hashes say with what. */
interface StartEvent {
  readonly type: 'start';
  readonly config: RunConfig;
  readonly partitionSha256: string;
  readonly modelSha256: string;
  readonly dataSha256: string;
  readonly kernels: string;
  /** `kernels`: the set that an owner on a machine of its own computes with. */
  readonly clients: readonly { readonly id: string; readonly numTrain: number; readonly kernels?: string }[];
}

/** A resumed run goes on with another kernel set, which the configuration names. */
interface KernelsEvent {
  readonly type: 'kernels';
  readonly before: string;
  readonly after: string;
}

/** Owners on machines of their own that have joined a run between two rounds; `round`: the first that they may be in. */
interface JoinedEvent {
  readonly type: 'joined';
  readonly round: number;
  readonly clients: StartEvent['clients'];
}

/** One client's training in a round. */
interface ClientEvent {
  readonly type: 'client';
  readonly round: number;
  /** Asynchronous mode: which of the jobs handed out this was, from 1; `round` is the merge that it was sent for. */
  readonly dispatch?: number;
  readonly client: string;
  /** Mean loss of each optimizer step, nats a target token. */
  readonly losses: readonly number[];
  readonly tokens?: { readonly train: number; readonly search: number };
  readonly seconds: number;
}

/** A client whose job failed for good. */
interface ClientFailedEvent {
  readonly type: 'client_failed';
  readonly round: number | 'tuning';
  readonly dispatch?: number;
  readonly client: string;
  readonly code: string;
  readonly message: string;
  /** What it was caused by, outermost first. */
  readonly causes?: readonly string[];
}

/** A merge. */
interface RoundEvent {
  readonly type: 'round';
  readonly round: number;
  /** Whose updates were merged. */
  readonly clients: readonly string[];
  /** Sampled, but out of reach. */
  readonly dropped?: readonly string[];
  /** Done after the deadline. */
  readonly late?: readonly string[];
  /** Of `clients`: those whose update was sent for an earlier round. */
  readonly joined_late?: readonly string[];
  /** Asynchronous mode: merges that the server did while the client worked. */
  readonly ages?: Readonly<Record<string, number>>;
  readonly loss: number | undefined;
  readonly bytes_up: number;
  readonly bytes_down: number;
  /** What the merge measured, by name. */
  readonly metrics: Readonly<Record<string, unknown>>;
  /** Seconds on the virtual clock since the run began. */
  readonly virtual_seconds?: number;
}

/** Scores of all clients after a round. */
interface EvaluationEvent extends Evaluation {
  readonly type: 'evaluation';
  readonly clients: Readonly<Record<string, Scores>>;
}

/** The end: means on the test examples, and what each owner takes home. */
interface FinalEvent extends Evaluation {
  readonly type: 'final';
  readonly take_home: Readonly<Record<string, Which>>;
}

/** One line of events.jsonl, without its time stamp. */
export type RunEvent =
  | StartEvent
  | KernelsEvent
  | JoinedEvent
  | ClientEvent
  | ClientFailedEvent
  | RoundEvent
  | EvaluationEvent
  | FinalEvent;
