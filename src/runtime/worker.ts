import { workerData } from 'piscina';
import type { AdapterLayout } from '../adapter/layout.js';
import { trainerModules } from '../adapter/shapes.js';
import type { ClientJob, ClientResult } from '../client/job.js';
import { runClientJob } from '../client/run.js';
import type { EvalJob, EvalOutcome } from '../eval/job.js';
import { scoreExamples } from '../eval/scoreExamples.js';
import type { KernelSet, ModelDescription, Precision } from '../native/binding.js';
import { Base } from '../native/engine.js';
import { makeClientEnv } from './clientEnv.js';
import type { SharedExamples } from './sharedExamples.js';
import { type StopFlag, StoppableTrainer, throwIfStopped } from './stoppable.js';
import { toWireError, type WireError } from './wireError.js';

/** What every worker thread starts from. */
export interface WorkerSetup {
  readonly description: ModelDescription;
  readonly precision: Precision;
  readonly kernels: KernelSet;
  readonly threads: number;
  readonly checkpointing: boolean;
  readonly dropout: number;
  readonly examples: SharedExamples;
  /** Layout of the trainer that scores the bare base. */
  readonly baseLayout: AdapterLayout;
  /** Set when the pool closes. */
  readonly stopFlag: StopFlag;
}

export type WorkerTask =
  | { readonly kind: 'train'; readonly job: ClientJob }
  | { readonly kind: 'evaluate'; readonly job: EvalJob };
export type WorkerReply =
  | { readonly ok: true; readonly value: ClientResult | EvalOutcome }
  | { readonly ok: false; readonly error: WireError };

function open(setup: WorkerSetup) {
  const { description, precision, kernels, threads, checkpointing, dropout } = setup;
  const base = new Base({ description, precision, kernels });
  return makeClientEnv({
    examples: setup.examples,
    createTrainer: (layout) =>
      new StoppableTrainer({ base, modules: trainerModules(layout), dropout, threads, checkpointing }, setup.stopFlag),
  });
}

const setup: WorkerSetup = workerData;
let env: ReturnType<typeof open> | undefined;

/** Runs one job on this thread's trainer. Errors come back as data, so that their code survives. */
export default function handle(task: WorkerTask): WorkerReply {
  try {
    throwIfStopped(setup.stopFlag);
    env ??= open(setup);
    const value =
      task.kind === 'train'
        ? runClientJob(task.job, env, () => performance.now() / 1000)
        : scoreExamples(task.job, env, setup.baseLayout);
    return { ok: true, value };
  } catch (error) {
    return { ok: false, error: toWireError(error) };
  }
}
