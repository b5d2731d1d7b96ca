import type { Adapter } from '../adapter/layout.js';

/** Scores one adapter on a list of examples. Plain data, so that any worker can do it. */
export interface EvalJob {
  /** null: the bare base. */
  readonly adapter: Adapter | null;
  /** Indices in the tokenised data of the run. */
  readonly indices: readonly number[];
}

/** One entry an example, in the order of the job's indices. */
export interface EvalOutcome {
  /** Sum of the NLL over the example's target tokens, in nats. */
  readonly nll: Float64Array;
  /** Target tokens of the example. */
  readonly targets: Int32Array;
  /** Tokens that passed through the model. */
  readonly tokens: number;
  readonly seconds: number;
}
