import type { AdapterLayout } from '../adapter/layout.js';
import type { JobEnv } from '../client/env.js';
import type { ClientJob, ClientResult } from '../client/job.js';
import { scoreExamples } from '../eval/scoreExamples.js';
import type { ClientPool } from './types.js';

/** Runs jobs one after the other on the calling thread; for tests and for hosts without worker threads. */
export function createInlinePool(params: {
  readonly env: JobEnv;
  readonly baseLayout: AdapterLayout;
  runClientJob(job: ClientJob, env: JobEnv): ClientResult;
}): ClientPool {
  return {
    workers: 1,
    train: async (job) => params.runClientJob(job, params.env),
    evaluate: async (job) => scoreExamples(job, params.env, params.baseLayout),
    close: async () => {},
  };
}
