import type { Evaluation, KeptRounds, MeanScore, Score, Scores, Which } from './evaluation.js';

export interface ClientMetrics extends Scores {
  readonly id: string;
  readonly num_train: number;
  readonly num_val: number;
  readonly num_test: number;
  /** Scores on the client's validation split, which decided what it takes home. */
  readonly valid: Scores;
  /** `keep: best_on_validation`: the round that each adapter is of. */
  readonly kept?: KeptRounds;
  /** What the owner goes home with, scored on its test split. */
  readonly take_home: { readonly which: Which } & Partial<Score>;
}

export interface Timing {
  readonly seconds: number;
  readonly train_seconds: number;
  readonly tokens_per_second: number;
  readonly peak_rss_bytes: number;
  readonly kernels: string;
  readonly workers: number;
  readonly threads: number;
}

type Means = Partial<Record<Which | 'take_home', MeanScore>>;

/** The content of metrics.json: equal runs give equal metrics but for `timing`. Scores are of the test splits. */
export interface RunMetrics {
  readonly version: number;
  readonly method: string;
  readonly mutation?: string;
  readonly rounds: number;
  /** `early_stopping_patience`: the run ended before its last round. */
  readonly stopped_early?: true;
  /** Where something hangs on it: the evaluated round with the lowest mean loss on validation. */
  readonly best_round?: number;
  readonly precision: string;
  readonly seed: number;
  /** `revision`: commit of the hub, where the model came from there. */
  readonly model: { readonly name: string; readonly sha256: string; readonly revision?: string };
  readonly clients: readonly ClientMetrics[];
  readonly macro: Means;
  readonly weighted: Means;
  /** Means after each evaluated round, on the validation splits where there are any. */
  readonly evaluations: readonly Evaluation[];
  readonly traffic: { readonly bytes_up: number; readonly bytes_down: number };
  readonly tokens: {
    readonly train: number;
    readonly search: number;
    readonly eval: number;
    readonly local?: number;
    readonly tune?: number;
  };
  /** Seconds on the virtual clock of the device profiles. */
  readonly virtual_seconds?: number;
  readonly timing: Timing;
}
