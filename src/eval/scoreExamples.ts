import type { AdapterLayout } from '../adapter/layout.js';
import type { JobEnv } from '../client/env.js';
import { scoreExamples as score } from '../client/score.js';
import type { EvalJob, EvalOutcome } from './job.js';

/** For the loop of before the boundary. */
export function scoreExamples(job: EvalJob, env: JobEnv, baseLayout: AdapterLayout): EvalOutcome {
  const started = performance.now();
  const examples = { count: job.indices.length, example: (i: number) => env.example(job.indices[i]!) };
  return { ...score(job.adapter, examples, env, baseLayout), seconds: (performance.now() - started) / 1000 };
}
