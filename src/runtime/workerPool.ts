import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { ClientResult } from '../client/job.js';
import { FedtuneError } from '../errors.js';
import type { EvalOutcome } from '../eval/job.js';
import { makeStopFlag, stop, throwIfStopped } from './stoppable.js';
import type { ClientPool } from './types.js';
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

/**
 * A pool of worker threads, each with one trainer over the base that all of them share. Threads begin with the first job, so
 * that a run that is refused need not end any that is still loading the engine.
 */
export function createWorkerPool(params: {
  readonly workers: number;
  readonly setup: Omit<WorkerSetup, 'stopFlag'>;
}): ClientPool {
  const filename = workerFile();
  const stopFlag = makeStopFlag();
  let pool: Piscina<WorkerTask, WorkerReply> | undefined;
  let fail: (error: Error) => void = () => {};
  const broken = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Whoever runs a job hears of it; without one there is nobody to tell.
  const ended = broken.catch(() => {});
  const begin = () => {
    const made = new Piscina<WorkerTask, WorkerReply>({
      filename,
      // One that dies is replaced only while there are fewer than `minThreads`.
      minThreads: params.workers,
      maxThreads: params.workers,
      // Workers sleep in the kernel between jobs: no core spins while a merge runs.
      atomics: 'disabled',
      workerData: { ...params.setup, stopFlag } satisfies WorkerSetup,
    });
    // A thread that ends before it has a job belongs to none, and an event without a listener would end the process.
    made.on('error', ({ message }: Error) =>
      fail(new FedtuneError('WORKER', `A worker thread could not start: ${message}. Use fewer workers.`)),
    );
    return made;
  };
  const running = new Set<Promise<WorkerReply>>();
  const run = async (task: WorkerTask) => {
    throwIfStopped(stopFlag);
    pool ??= begin();
    const job = pool.run(task);
    running.add(job);
    const reply = await Promise.race([job.finally(() => running.delete(job)), broken]);
    if (!reply.ok) throw fromWireError(reply.error);
    return reply.value;
  };
  return {
    workers: params.workers,
    train: async (job) => (await run({ kind: 'train', job })) as ClientResult,
    evaluate: async (job) => (await run({ kind: 'evaluate', job })) as EvalOutcome,
    close: async () => {
      stop(stopFlag);
      await Promise.race([Promise.allSettled(running), ended]);
      await pool?.destroy();
    },
  };
}
