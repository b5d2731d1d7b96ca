import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { ClientResult } from '../client/job.js';
import { FedtuneError } from '../errors.js';
import type { ClientPool, EvalOutcome } from './types.js';
import { fromWireError } from './wireError.js';
import type { WorkerReply, WorkerSetup, WorkerTask } from './worker.js';

function workerFile(): string {
  const file = fileURLToPath(new URL('./worker.js', import.meta.url));
  if (existsSync(file)) return file;
  throw new FedtuneError(
    'NOT_BUILT',
    `Expected the compiled worker at ${file} but it is not there. Run "npm run build:ts" and use dist/.`,
  );
}

/** A pool of worker threads, each with one trainer over the base that all of them share. */
export function createWorkerPool(params: { readonly workers: number; readonly setup: WorkerSetup }): ClientPool {
  const pool = new Piscina<WorkerTask, WorkerReply>({
    filename: workerFile(),
    minThreads: params.workers,
    maxThreads: params.workers,
    // Workers sleep in the kernel between jobs: no core spins while a merge runs.
    atomics: 'disabled',
    workerData: params.setup,
  });
  const run = async (task: WorkerTask) => {
    const reply = await pool.run(task);
    if (!reply.ok) throw fromWireError(reply.error);
    return reply.value;
  };
  return {
    workers: params.workers,
    train: async (job) => (await run({ kind: 'train', job })) as ClientResult,
    evaluate: async (job) => (await run({ kind: 'evaluate', job })) as EvalOutcome,
    close: () => pool.destroy(),
  };
}
