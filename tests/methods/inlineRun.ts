import { createHash } from 'node:crypto';
import { initialValues } from '../../src/adapter/init.js';
import type { AdapterLayout } from '../../src/adapter/layout.js';
import { trainerModules } from '../../src/adapter/shapes.js';
import { runClientJob } from '../../src/client/run.js';
import { parseConfig } from '../../src/config/parse.js';
import type { RunConfig } from '../../src/config/schema.js';
import type { RunEvent } from '../../src/contracts/events.js';
import type { ClientJob, ClientResult } from '../../src/methods/work.js';
import { Base, Trainer } from '../../src/native/engine.js';
import { type PreparedRun, prepareRun } from '../../src/run/prepare.js';
import { makeClientEnv } from '../../src/runtime/clientEnv.js';
import { createInlinePool } from '../../src/runtime/inlinePool.js';
import { shareExamples } from '../../src/runtime/sharedExamples.js';
import type { ClientPool } from '../../src/runtime/types.js';
import type { FinishedRun } from '../../src/server/finish.js';
import { runLoop } from '../../src/server/loop.js';
import { createStrategy } from '../../src/server/strategies/index.js';
import type { Strategy, StrategyInit } from '../../src/server/strategy.js';
import type { Federation, LoopState } from '../../src/server/types.js';
import { decodeDocument, encodeDocument, type LazyTensor, madeTensor, type Tensor } from '../../src/store/document.js';

/** The embedded federation, cut down so that a run takes about a second. */
export const TINY_RUN = {
  num_rounds: 3,
  local_steps: 2,
  batch_size: 2,
  learning_rate: 3e-3,
  warmup_steps: 2,
  importance_samples: 4,
  lora_r: 4,
  lora_alpha: 8,
  target_modules: ['q_proj', 'v_proj', 'down_proj'],
  max_train_examples: 8,
  max_valid_examples: 2,
  max_test_examples: 2,
  eval_every: 0,
  seq_length: 128,
} as const;

export interface InlineRun {
  readonly prepared: PreparedRun;
  readonly strategy: Strategy;
  readonly finished: FinishedRun;
  readonly events: readonly RunEvent[];
  /** The state after each round, as a run folder would keep it. */
  readonly states: readonly LoopState[];
}

export interface InlineHooks {
  /** Makes the strategy in place of the run file's method. */
  readonly strategy?: (init: StrategyInit) => Strategy;
  /** Changes what a client sends. */
  readonly tamper?: (result: ClientResult, job: ClientJob) => ClientResult;
  /** Stands between the loop and the pool. */
  readonly pool?: (pool: ClientPool) => ClientPool;
  /** Goes on from this state. */
  readonly from?: LoopState;
}

const bases = new Map<string, Base>();

function baseOf(prepared: PreparedRun): Base {
  const { precision, kernels } = prepared.config;
  const key = `${prepared.model.sha256}/${precision}/${kernels}`;
  let base = bases.get(key);
  if (!base) {
    base = new Base({ description: prepared.model.description, precision, kernels });
    bases.set(key, base);
  }
  return base;
}

const preparations = new Map<string, Promise<PreparedRun>>();

/** `prepareRun`, once a configuration: runs that go on from a state, or whose clients are tampered with, share it. */
function prepare(config: RunConfig): Promise<PreparedRun> {
  const key = JSON.stringify(config);
  const prepared = preparations.get(key) ?? prepareRun(config);
  preparations.set(key, prepared);
  return prepared;
}

/** A state as a run folder would give it back, without the disk. */
function savedAndLoaded(state: LoopState): LoopState {
  const tensors: Tensor[] = [];
  const json = JSON.stringify(encodeDocument(state, (tensor) => tensors.push(madeTensor(tensor).slice()) - 1));
  return decodeDocument(JSON.parse(json), (place) => tensors[place]!) as LoopState;
}

/** All of a state as text, with tensors by their sha256: equal for equal bits. */
export function stateText(state: LoopState): string {
  const digests: string[] = [];
  const place = (tensor: Tensor | LazyTensor) => {
    const { buffer, byteOffset, byteLength } = madeTensor(tensor);
    return (
      digests.push(
        createHash('sha256')
          .update(new Uint8Array(buffer, byteOffset, byteLength))
          .digest('hex'),
      ) - 1
    );
  };
  return JSON.stringify([encodeDocument(state, place), digests]);
}

/** Runs a federation of the embedded data in this thread, without a run folder: `TINY_RUN` with `settings` on top. */
export async function runInline(settings: Record<string, unknown> = {}, hooks: InlineHooks = {}): Promise<InlineRun> {
  const config = parseConfig({ ...TINY_RUN, ...settings });
  const prepared = await prepare(config);
  const base = baseOf(prepared);
  const env = makeClientEnv({
    examples: shareExamples(prepared.tokenized),
    createTrainer: (layout: AdapterLayout) =>
      new Trainer({ base, modules: trainerModules(layout), dropout: 0, threads: 1, checkpointing: false }),
  });
  const { clients, layout } = prepared;
  const init: StrategyInit = {
    layout,
    initial: initialValues(layout, config.seed),
    clients,
    seed: config.seed,
    config,
  };
  const strategy = (hooks.strategy ?? createStrategy)(init);
  const withLocal = config.also_local && config.method !== 'local';
  const federation: Federation = {
    config,
    clients,
    strategy,
    ...(withLocal
      ? { localStrategy: createStrategy({ ...init, config: { ...config, method: 'local', mutation: 'none' } }) }
      : {}),
  };
  const events: RunEvent[] = [];
  const states: LoopState[] = [];
  const tamper = hooks.tamper ?? ((result: ClientResult) => result);
  const inline = createInlinePool({
    env,
    baseLayout: layout,
    runClientJob: (job, e) => tamper(runClientJob(job, e), job),
  });
  const pool = hooks.pool?.(inline) ?? inline;
  try {
    const finished = await runLoop(
      federation,
      {
        pool,
        emit: (event) => events.push(event),
        progress: () => {},
        signal: new AbortController().signal,
        checkpoint: async (state) => {
          states.push(savedAndLoaded(state));
        },
      },
      hooks.from,
    );
    return { prepared, strategy, finished, events, states };
  } finally {
    env.dispose();
  }
}

/** A digest of an adapter's values: equal for equal bits (comparing large arrays entry by entry is slow). */
export function digest(values: Float32Array | undefined): string {
  if (!values) return 'none';
  return createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
}

/** Everything of a run that must be equal between equal runs. */
export function outcomeOf({ finished }: InlineRun) {
  return {
    global: digest(finished.global?.values),
    adapters: finished.clients.map(({ adapter }) => digest(adapter?.values)),
    takeHome: finished.clients.map(({ takeHome }) => takeHome),
    test: finished.clients.map(({ test }) => test),
    totals: finished.state.totals,
  };
}

/** Macro perplexity on the owners' test examples. */
export function macro(run: InlineRun, which: 'base' | 'local' | 'global' | 'personalized' | 'tuned'): number {
  const scores = run.finished.clients.map(({ test }) => test[which]?.ppl ?? Number.NaN);
  return scores.reduce((sum, ppl) => sum + ppl, 0) / scores.length;
}

/** The metrics of every merge, in order. */
export function roundMetrics(run: InlineRun): Readonly<Record<string, unknown>>[] {
  return run.events.filter((event) => event.type === 'round').map(({ metrics }) => metrics);
}
