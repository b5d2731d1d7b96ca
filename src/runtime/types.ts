import type { Adapter } from '../adapter/layout.js';
import type { ClientJob, ClientResult } from '../client/job.js';

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

/** Where clients run. Jobs are data only and their results do not depend on which worker has them, or when. */
export interface ClientPool {
  /** Jobs that run at the same time. */
  readonly workers: number;
  train(job: ClientJob): Promise<ClientResult>;
  evaluate(job: EvalJob): Promise<EvalOutcome>;
  /** Ends the workers; jobs under way are rejected, each as soon as its present call of the engine is over. */
  close(): Promise<void>;
}
