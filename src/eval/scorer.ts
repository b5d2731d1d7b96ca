import { availableParallelism } from 'node:os';
import { type Adapter, type AdapterLayout, sameLayout } from '../adapter/layout.js';
import { layoutFor, trainerModules } from '../adapter/shapes.js';
import { batches, sumsOf } from '../client/score.js';
import { packBatch, type TokenizedExample } from '../data/index.js';
import { InterruptedError } from '../errors.js';
import type { KernelSet, ModelDescription, Precision } from '../native/binding.js';
import { Base, Trainer } from '../native/engine.js';
import { listOf } from './items.js';

export interface ScorerOptions {
  readonly description: ModelDescription;
  /** @default 'int8' */
  readonly precision?: Precision | undefined;
  /** @default 'auto' */
  readonly kernels?: KernelSet | undefined;
  /** Compute threads. @default one a core */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Most compute threads of a trainer. */
const MAX_THREADS = 64;

/** One base in memory, and whichever adapter is scored on it. */
export class Scorer implements Disposable {
  readonly #base: Base;
  readonly #options: ScorerOptions;
  #trainer: { readonly layout: AdapterLayout; readonly trainer: Trainer } | undefined;

  /** Throws ModelError, EngineError. */
  constructor(options: ScorerOptions) {
    const { description, precision, kernels } = options;
    this.#options = options;
    this.#base = new Base({ description, ...(precision ? { precision } : {}), ...(kernels ? { kernels } : {}) });
  }

  /** The kernel set in use. */
  get kernels(): string {
    return this.#base.kernels;
  }

  #trainerFor(layout: AdapterLayout): Trainer {
    if (this.#trainer && sameLayout(this.#trainer.layout, layout)) return this.#trainer.trainer;
    this.#trainer?.trainer.dispose();
    this.#trainer = undefined;
    const threads = Math.min(this.#options.threads ?? availableParallelism(), MAX_THREADS);
    const trainer = new Trainer({ base: this.#base, modules: trainerModules(layout), threads });
    this.#trainer = { layout, trainer };
    return trainer;
  }

  /**
   * The sum of the NLL over the target tokens of each sequence, in nats, under an adapter (null: the bare base). Throws
   * InterruptedError when `signal` fires, EngineError.
   */
  async score(
    adapter: Adapter | null,
    sequences: readonly TokenizedExample[],
    onProgress: (done: number) => void = () => {},
  ): Promise<Float64Array> {
    const trainer = this.#trainerFor(
      adapter?.layout ?? this.#trainer?.layout ?? layoutFor(this.#options.description, { rank: 1, alpha: 1 }),
    );
    if (adapter) trainer.setValues(adapter.values);
    const sums = new Float64Array(sequences.length);
    for (const [first, group] of batches(listOf(sequences))) {
      if (this.#options.signal?.aborted) throw new InterruptedError('Interrupted; nothing was written.');
      const { nll } = await trainer.evaluateAsync(packBatch(group), { adapter: adapter !== null });
      sums.set(sumsOf(group, nll), first);
      onProgress(first + group.length);
    }
    return sums;
  }

  dispose(): void {
    this.#trainer?.trainer.dispose();
    this.#trainer = undefined;
    this.#base.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
