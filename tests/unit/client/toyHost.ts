import type { AdapterLayout } from '../../../src/adapter/layout.js';
import type { OwnerHost } from '../../../src/client/host.js';
import { EngineError, InterruptedError } from '../../../src/errors.js';
import { loadModel, loadTokenizer } from '../../../src/model/index.js';
import type { NativeTrainer, PackedBatch, StepOptions } from '../../../src/native/binding.js';

/** What the toy engine did, and what it is to do. */
export interface ToyEngine {
  steps: number;
  evaluations: number;
  /** Entry of every trained adapter that is NaN. */
  ruins?: number;
  /** Learning rate and pull of each step. */
  taken?: { rate: number; pull: number; anchor: Float32Array | null }[];
  /** Steps that the optimizer had taken, at the beginning of each training. */
  begun?: number[];
  /** Called before each step, counted from 1. */
  beforeStep?: (step: number) => void;
}

/** Each step adds the mean token id (so that values tell which examples were seen, in which order); a target costs its id by 1000. */
function toyTrainer(layout: AdapterLayout, engine: ToyEngine): NativeTrainer {
  let values = new Float32Array(layout.size);
  let taken = 0;
  let anchor: Float32Array | null = null;
  const begin = (steps: number): void => {
    taken = steps;
    engine.begun?.push(steps);
  };
  return {
    setValues: (next: Float32Array) => {
      values = next.slice();
    },
    getValues: () => values.map((value, p) => (p === engine.ruins ? Number.NaN : value)),
    setTrainable: () => {},
    setAnchor: (next: Float32Array | null) => {
      anchor = next;
    },
    setGradientOffset: () => {},
    resetOptimizer: () => begin(0),
    getOptimizerState: () => ({ step: taken, m: new Float32Array(layout.size), v: new Float32Array(layout.size) }),
    setOptimizerState: ({ step }: { step: number }) => begin(step),
    step(batches: readonly PackedBatch[], { learningRate: rate, proxMu: pull }: StepOptions) {
      engine.taken?.push({ rate, pull, anchor });
      engine.steps++;
      taken++;
      engine.beforeStep?.(engine.steps);
      const tokens = batches.flatMap((batch) => [...batch.tokens]);
      const mean = tokens.reduce((sum, id) => sum + id, 0) / tokens.length;
      values = values.map((value) => Math.fround(value * 0.5 + mean));
      return { loss: mean / 1000, gradNorm: 0, targets: 1, tokens: tokens.length };
    },
    evaluate(batch: PackedBatch, { adapter }: { adapter: boolean }) {
      engine.evaluations++;
      const shift = adapter ? values[0]! / 1000 : 0;
      return { nll: Float32Array.from(batch.tokens, (id) => id / 1000 + shift), nllSum: 0, targets: 0 };
    },
    dispose: () => {},
  } as unknown as NativeTrainer;
}

/** The embedded base with its tokenizer, and a toy in the place of the engine. */
export function toyHost(
  engine: ToyEngine = { steps: 0, evaluations: 0 },
): OwnerHost & { stopped: boolean; tokenizersLoaded: number } {
  return {
    stopped: false,
    tokenizersLoaded: 0,
    ownerModel: () => loadModel('embedded'),
    tokenizer(model) {
      this.tokenizersLoaded++;
      return loadTokenizer(model);
    },
    engine: () => ({ kernels: 'portable', env: { trainer: (layout) => toyTrainer(layout, engine) } }),
    throwIfStopped() {
      if (this.stopped) throw new InterruptedError('Interrupted.');
    },
  };
}

export const outOfMemory = (): never => {
  throw new EngineError('OUT_OF_MEMORY', 'Expected memory.');
};
