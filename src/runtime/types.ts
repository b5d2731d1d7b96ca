import type { ClientJob, ClientResult } from '../client/job.js';
import type { EvalJob, EvalOutcome } from '../eval/job.js';

/** Where clients run. Jobs are data only and their results do not depend on which worker has them, or when. */
export interface ClientPool {
  /** Jobs that run at the same time. */
  readonly workers: number;
  train(job: ClientJob): Promise<ClientResult>;
  evaluate(job: EvalJob): Promise<EvalOutcome>;
  /** Ends the workers; jobs under way are rejected, each as soon as its present call of the engine is over. */
  close(): Promise<void>;
}
