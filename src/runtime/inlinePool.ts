import type { AdapterLayout } from '../adapter/layout.js';
import type { ClientEnv } from '../client/env.js';
import type { ClientJob, ClientResult } from '../client/job.js';
import { scoreExamples } from '../eval/scoreExamples.js';
import type { ClientPool } from './types.js';

/** Runs jobs one after the other on the calling thread; for tests and for hosts without worker threads. */
export function createInlinePool(params: {
  readonly env: ClientEnv;
  readonly baseLayout: AdapterLayout;
  runClientJob(job: ClientJob, env: ClientEnv): ClientResult;
}): ClientPool {
  return {
    workers: 1,
    train: async (job) => params.runClientJob(job, params.env),
    evaluate: async (job) => scoreExamples(job, params.env, params.baseLayout),
    close: async () => {},
  };
}
