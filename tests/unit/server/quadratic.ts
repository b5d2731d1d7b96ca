import { type AdapterLayout, makeLayout } from '../../../src/adapter/layout.js';
import type { JobEnv } from '../../../src/client/env.js';
import { runClientJob } from '../../../src/client/run.js';
import { parseConfig } from '../../../src/config/parse.js';
import type { RunConfig } from '../../../src/config/schema.js';
import type { RunEvent } from '../../../src/contracts/events.js';
import type { NativeTrainer, PackedBatch, StepOptions } from '../../../src/native/binding.js';
import { createInlinePool } from '../../../src/runtime/inlinePool.js';
import type { FinishedRun } from '../../../src/server/finish.js';
import { runLoop } from '../../../src/server/loop.js';
import { createStrategy } from '../../../src/server/strategies/index.js';
import type { Strategy, StrategyInit } from '../../../src/server/strategy.js';
import type { LoopState, RunClient } from '../../../src/server/types.js';

/** A client whose loss is h / 2 * |theta - c|^2: every method's fixed point is known. */
export interface QuadraticClient {
  readonly h: number;
  readonly c: Float32Array;
  readonly numTrain?: number;
  readonly rank?: number;
}

/** `modules` modules of 3 inputs and 2 outputs. */
export function toyLayout(modules = 2, rank = 2, layers = modules): AdapterLayout {
  return makeLayout(
    Array.from({ length: modules }, (_, i) => {
      const layer = Math.floor((i * layers) / modules);
      const target = i % 2 === 0 ? ('attn_q' as const) : ('attn_v' as const);
      return { module: `blk.${layer}.${target}.${i}`, layer, target, inDim: 3, outDim: 2, rank, scale: 2 };
    }),
  );
}

/** Which client's loss an example stands for is its first token. */
const clientOf = (batch: PackedBatch): number => batch.tokens[0]!;

/** Stands in for the engine: plain gradient descent (no Adam, no clipping) on the clients' quadratic losses. */
class QuadraticTrainer implements Partial<NativeTrainer> {
  readonly numValues: number;
  readonly #clients: readonly QuadraticClient[];
  #values: Float32Array;
  #trainable: Uint8Array | null = null;
  #anchor: Float32Array | null = null;
  #offset: Float32Array | null = null;
  #sum: Float64Array | null = null;
  #steps = 0;

  constructor(layout: AdapterLayout, clients: readonly QuadraticClient[]) {
    this.numValues = layout.size;
    this.#values = new Float32Array(layout.size);
    this.#clients = clients;
  }

  getValues(): Float32Array {
    return this.#values.slice();
  }
  setValues(values: Float32Array): void {
    this.#values = values.slice();
  }
  setTrainable(mask: Uint8Array | null): void {
    this.#trainable = mask;
  }
  setAnchor(anchor: Float32Array | null): void {
    this.#anchor = anchor;
  }
  setGradientOffset(offset: Float32Array | null): void {
    this.#offset = offset;
  }
  resetOptimizer(): void {}
  takeGradientSum(): { steps: number; sum: Float32Array } {
    const result = { steps: this.#steps, sum: Float32Array.from(this.#sum ?? new Float64Array(this.numValues)) };
    this.#sum = new Float64Array(this.numValues);
    this.#steps = 0;
    return result;
  }

  /** Mean over the examples of all batches. */
  #gradient(batches: readonly PackedBatch[]): Float32Array {
    const gradient = new Float64Array(this.numValues);
    for (const batch of batches) {
      const { h, c } = this.#clients[clientOf(batch)]!;
      for (let p = 0; p < gradient.length; p++) gradient[p]! += (h * (this.#values[p]! - c[p]!)) / batches.length;
    }
    return Float32Array.from(gradient);
  }

  gradient(batches: readonly PackedBatch[]) {
    return { loss: 0, targets: batches.length, gradient: this.#gradient(batches) };
  }

  step(batches: readonly PackedBatch[], options: StepOptions) {
    const gradient = this.#gradient(batches);
    if (this.#sum) for (let p = 0; p < gradient.length; p++) this.#sum[p]! += gradient[p]!;
    this.#steps++;
    this.#values = this.#values.map((value, p) => {
      if (this.#trainable?.[p] === 0) return value;
      const pull = options.proxMu > 0 ? options.proxMu * (value - this.#anchor![p]!) : 0;
      return value - options.learningRate * (gradient[p]! + (this.#offset?.[p] ?? 0) + pull);
    });
    return { loss: 1, gradNorm: 0, targets: batches.length, tokens: batches.length };
  }

  evaluate(batch: PackedBatch) {
    return { nll: new Float32Array(batch.tokens.length), nllSum: 0, targets: 1 };
  }
  dispose(): void {}
}

export interface ToyRun {
  readonly config: RunConfig;
  readonly clients: readonly RunClient[];
  readonly init: StrategyInit;
  readonly strategy: Strategy;
  readonly finished: FinishedRun;
  readonly events: readonly RunEvent[];
  readonly states: readonly LoopState[];
}

/** Runs a method's real code, from configuration to the last merge, on clients with quadratic losses. */
export async function runToy(
  settings: Record<string, unknown>,
  quadratics: readonly QuadraticClient[],
  more: { layout?: AdapterLayout; initial?: Float32Array } = {},
): Promise<ToyRun> {
  const layout = more.layout ?? toyLayout();
  const config = parseConfig({
    lora_r: layout.modules[0]!.rank,
    num_rounds: 60,
    local_steps: 3,
    batch_size: 1,
    learning_rate: 0.1,
    eval_every: 0,
    merge_weights: 'size',
    importance_samples: 1,
    ...settings,
  });
  // Client k owns the examples [10 k, 10 k + numTrain).
  const clients: RunClient[] = quadratics.map(({ numTrain = 4, rank }, k) => ({
    id: `client-${k}`,
    numTrain,
    numTargets: numTrain,
    rank: rank ?? config.lora_r,
    train: Array.from({ length: numTrain }, (_, i) => 10 * k + i),
    valid: [],
    test: [10 * k],
  }));
  const env: JobEnv = {
    trainer: (wanted) => new QuadraticTrainer(wanted, quadratics) as unknown as NativeTrainer,
    example: (index) => ({
      id: String(index),
      tokens: Int32Array.of(Math.floor(index / 10), 0),
      lossMask: Uint8Array.of(0, 1),
    }),
  };
  const initial = more.initial ?? Float32Array.from({ length: layout.size }, (_, p) => Math.sin(p + 1));
  const init: StrategyInit = { layout, initial, clients, seed: config.seed, config };
  const strategy = createStrategy(init);
  const events: RunEvent[] = [];
  const states: LoopState[] = [];
  const finished = await runLoop(
    { config, clients, strategy },
    {
      pool: createInlinePool({ env, baseLayout: layout, runClientJob }),
      emit: (event) => events.push(event),
      progress: () => {},
      signal: new AbortController().signal,
      checkpoint: async (state) => {
        states.push(structuredClone(state));
      },
    },
  );
  return { config, clients, init, strategy, finished, events, states };
}

/** The largest distance between two vectors' entries. */
export function maxDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let p = 0; p < a.length; p++) most = Math.max(most, Math.abs(a[p]! - b[p]!));
  return most;
}
