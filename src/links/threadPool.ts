import { Piscina } from 'piscina';
import { FedtuneError, InterruptedError } from '../errors.js';
import { makeStopFlag, type StopFlag, stop, throwIfStopped } from './stopFlag.js';

/** What the pool adds to the data that every thread starts from. */
export interface PoolData {
  /** Set when the pool closes. A thread asks before each call of the engine. */
  readonly stopFlag: StopFlag;
}

/** What the pool adds to every task. */
export interface PoolTask {
  /** The thread sets the first to 1 when it begins, before it asks whether to stop; the second counts what the task says is done. */
  readonly begun: Int32Array;
}

/** What a task shares with its thread, in memory of both. */
export const makeCounters = (): Int32Array => new Int32Array(new SharedArrayBuffer(8));

/** A task that no thread has answered yet. */
interface Running {
  readonly begun: Int32Array;
  readonly settled: Promise<unknown>;
  reject(error: Error): void;
}

/** To be called by a thread at the beginning of each task. Throws InterruptedError. */
export function beginTask({ begun }: PoolTask, { stopFlag }: PoolData): void {
  Atomics.store(begun, 0, 1);
  throwIfStopped(stopFlag);
}

/** Of a thread's new objects: what is large in them is not in V8's heap, and of the rest a thread keeps little. */
const YOUNG_MB = 8;

const died = (message: string, cause: unknown): FedtuneError => new FedtuneError('WORKER', message, { cause });

/**
 * Worker threads that run one task at a time each. They begin with the first task, so that a run that is refused need not end any that
 * is still loading the engine. Nothing of a task or a reply is kept once it is answered.
 */
export class ThreadPool<Task extends object, Result> {
  readonly #options: { readonly filename: string; readonly workers: number; readonly workerData: object };
  readonly #stopFlag = makeStopFlag();
  readonly #running = new Set<Running>();
  #pool: Piscina<Task & PoolTask, Result> | undefined;
  #broken: FedtuneError | undefined;

  /** `filename`: the module whose default export does a task. `workerData`: what each thread starts from. */
  constructor(options: { readonly filename: string; readonly workers: number; readonly workerData: object }) {
    this.#options = options;
  }

  #begin(): Piscina<Task & PoolTask, Result> {
    const { filename, workers, workerData } = this.#options;
    const pool = new Piscina<Task & PoolTask, Result>({
      filename,
      // One that dies is replaced only while there are fewer than `minThreads`.
      minThreads: workers,
      maxThreads: workers,
      // Workers sleep in the kernel between tasks: no core spins while a merge runs.
      atomics: 'disabled',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      workerData: { ...workerData, stopFlag: this.#stopFlag } satisfies PoolData,
    });
    // A thread that ends before it has a task belongs to none, and an event without a listener would end the process.
    pool.on('error', (cause: Error) => {
      this.#broken ??= died(`A worker thread could not start: ${cause.message}. Use fewer workers.`, cause);
      for (const { reject } of this.#running) reject(this.#broken);
    });
    return pool;
  }

  /**
   * Throws InterruptedError once the pool is closed; FedtuneError WORKER where a thread cannot start or ends in the middle.
   * `transfer`: memory that the thread gets and the caller loses. `begun`: to see how far the task is.
   */
  async run(task: Task, transfer: readonly ArrayBuffer[] = [], begun = makeCounters()): Promise<Result> {
    throwIfStopped(this.#stopFlag);
    if (this.#broken) throw this.#broken;
    try {
      this.#pool ??= this.#begin();
    } catch (cause) {
      throw died(`A worker thread could not start: ${(cause as Error).message}. Use fewer workers.`, cause);
    }
    const work = this.#pool.run({ ...task, begun }, { transferList: [...transfer] });
    return new Promise<Result>((resolve, reject) => {
      const entry: Running = { begun, reject, settled: work.catch(() => {}) };
      this.#running.add(entry);
      work
        .then(resolve, (cause: Error) => {
          const stopped = Atomics.load(this.#stopFlag, 0) !== 0;
          reject(
            stopped
              ? new InterruptedError('Interrupted.', { cause })
              : died(`A worker thread ended in the middle of its work: ${cause.message}.`, cause),
          );
        })
        .finally(() => this.#running.delete(entry));
    });
  }

  /**
   * Ends the threads. Tasks under way are rejected or answered, each as soon as its present call of the engine is over: a thread must
   * not be ended inside the engine, whose calls into JavaScript then fail in a way that ends the process.
   */
  async close(): Promise<void> {
    stop(this.#stopFlag);
    const inside = [...this.#running].filter(({ begun }) => Atomics.load(begun, 0) !== 0);
    await Promise.all(inside.map(({ settled }) => settled));
    await this.#pool?.destroy();
  }
}
