import type { RunConfig } from '../config/schema.js';
import type { Evaluation } from './evaluation.js';
import type { DroppedCounts } from './messages.js';

/**
 * What a run has to do, in units that take about the same time each: those of `train` and `tune` that of training, those of `score`
 * and `finalScore` that of scoring.
 */
export interface WorkPlan {
  /** Of each round. */
  readonly train: readonly number[];
  /** After each round, from round 0; 0 where nothing is scored. */
  readonly score: readonly number[];
  /** Fine-tuning after the last round. */
  readonly tune: number;
  /** What is scored at the end. */
  readonly finalScore: number;
}

/** An owner in the middle of a round of training. A method that trains more than the run file says takes more steps than `of`. */
export interface OwnerAtWork {
  readonly client: string;
  readonly steps: number;
  readonly of: number;
}

/** Live progress of the rounds, for a display only. Asynchronous mode counts merges as rounds. */
export type Progress =
  /** Once, before the first round or the one that a run goes on with. */
  | { readonly kind: 'plan'; readonly plan: WorkPlan }
  /** `jobs`: of training, as many as are known. */
  | { readonly kind: 'round'; readonly round: number; readonly numRounds: number; readonly jobs: number }
  | {
      readonly kind: 'job';
      readonly round: number;
      /** Asynchronous mode: which of the jobs handed out this was, from 1. */
      readonly dispatch?: number;
      readonly client: string;
      /** Of training and search. */
      readonly tokens: number;
      /** Of the search alone. */
      readonly search: number;
      readonly seconds: number;
      readonly loss: number | undefined;
    }
  /** Now and then: who trains, and the steps that are done of those that the run file asks for. */
  | { readonly kind: 'working'; readonly owners: readonly OwnerAtWork[] }
  | {
      readonly kind: 'failed';
      readonly round: number;
      readonly dispatch?: number;
      readonly client: string;
      readonly message: string;
      /** Whether the job is tried again. */
      readonly again: boolean;
    }
  | { readonly kind: 'evaluating'; readonly round: number; readonly jobs: number }
  | { readonly kind: 'evaluated'; readonly evaluation: Evaluation }
  /** No further round: the mean loss on validation was the lowest after round `best`. */
  | { readonly kind: 'stopped'; readonly round: number; readonly best: number }
  | { readonly kind: 'tuning'; readonly clients: number };

/** What a run is expected to take. Bytes and seconds. */
export interface RunEstimate {
  readonly seconds: {
    readonly train: number;
    readonly score: number;
    /** Opening the run (where that is still to come), sending, merging. */
    readonly rest: number;
    readonly total: number;
  };
  readonly memory: {
    readonly base: number;
    /** Activations, optimizer and scratch of all workers. */
    readonly training: number;
    /** Adapters on their way and in the merge. */
    readonly adapters: number;
    /** The program itself, data and tokens. */
    readonly rest: number;
    readonly total: number;
  };
  readonly bytes: { readonly down: number; readonly up: number };
  /** Examples by split; optimizer steps and tokens of one round. */
  readonly owners: readonly {
    readonly id: string;
    readonly train: number;
    readonly valid: number;
    readonly test: number;
    readonly steps: number;
    readonly tokens: number;
  }[];
}

/** Live progress of a run, for a display. */
export type RunProgress =
  | {
      readonly kind: 'prepared';
      readonly config: RunConfig;
      /** Name of the base model. */
      readonly model: string;
      readonly owners: number;
      /** Examples in use. */
      readonly examples: number;
      /** Examples that were left out. */
      readonly dropped: DroppedCounts;
      /** Examples without the label that the partition goes by. */
      readonly unlabelled: number;
      /** Examples that were cut, and the share of all target tokens that this lost. */
      readonly cut: number;
      readonly shareLost: number;
      /** What reading the data gave (bad rows and why, unused columns), in a few lines. */
      readonly reading: readonly string[];
      /** Owners that stay out of the run. */
      readonly leftOut: readonly string[];
      /** The first example as it will be trained, its targets in `[[brackets]]`; a run that goes on has none. */
      readonly firstExample?: string;
      /** What is strange about the base model, a sentence each. */
      readonly warnings: readonly string[];
      readonly workers: number;
      readonly threads: number;
      readonly kernels: string;
    }
  /** Before the first round, where somebody watches. */
  | { readonly kind: 'estimate'; readonly estimate: RunEstimate }
  | { readonly kind: 'downloading'; readonly file: string; readonly bytes: number; readonly totalBytes: number }
  | { readonly kind: 'resumed'; readonly round: number }
  | { readonly kind: 'writing'; readonly dir: string }
  /** Something beside the run failed, which goes on. */
  | { readonly kind: 'warning'; readonly message: string }
  | Progress;
