import { type AdapterLayout, sameLayout } from '../adapter/layout.js';
import { trainerModules } from '../adapter/shapes.js';
import type { OwnerEngine, OwnerHost, OwnerModel } from '../client/host.js';
import type { RunConfig } from '../config/schema.js';
import { collectGarbage } from '../garbage.js';
import { loadModel, loadTokenizer, type Tokenizer } from '../model/index.js';
import type { NativeTrainer } from '../native/binding.js';
import { Base, Trainer } from '../native/engine.js';

/** A trainer that asks before each call of the engine whether to go on. */
class StoppableTrainer extends Trainer {
  readonly #throwIfStopped: () => void;
  readonly #onStep: (() => void) | undefined;

  constructor(
    options: ConstructorParameters<typeof Trainer>[0],
    { throwIfStopped, onStep }: Pick<EngineHostOptions, 'throwIfStopped' | 'onStep'>,
  ) {
    super(options);
    this.#throwIfStopped = throwIfStopped;
    this.#onStep = onStep;
  }

  override step(...args: Parameters<NativeTrainer['step']>): ReturnType<NativeTrainer['step']> {
    this.#throwIfStopped();
    const result = super.step(...args);
    this.#onStep?.();
    return result;
  }

  override gradient(...args: Parameters<NativeTrainer['gradient']>): ReturnType<NativeTrainer['gradient']> {
    this.#throwIfStopped();
    return super.gradient(...args);
  }

  override evaluate(...args: Parameters<NativeTrainer['evaluate']>): ReturnType<NativeTrainer['evaluate']> {
    this.#throwIfStopped();
    return super.evaluate(...args);
  }
}

export interface EngineHostOptions {
  /** Compute threads. */
  readonly threads: number;
  /** The base where it is at hand; else the configuration says which to load. */
  readonly model?: OwnerModel;
  throwIfStopped(): void;
  /** Hears of every optimizer step. */
  onStep?(): void;
}

/** The base of a run's configuration and one trainer over it, kept from one piece of work to the next. */
export class EngineHost implements OwnerHost {
  readonly #options: EngineHostOptions;
  #tokenizer: { readonly path: string; readonly tokenizer: Tokenizer } | undefined;
  #base: { readonly key: string; readonly base: Base } | undefined;
  #trainer: { readonly layout: AdapterLayout; readonly key: string; readonly trainer: Trainer } | undefined;

  constructor(options: EngineHostOptions) {
    this.#options = options;
  }

  throwIfStopped(): void {
    this.#options.throwIfStopped();
  }

  async ownerModel({ model: spec, model_revision: revision }: RunConfig): Promise<OwnerModel> {
    if (this.#options.model) return this.#options.model;
    const { tokenizer, ...model } = await loadModel(spec, { revision });
    this.#tokenizer = { path: model.path, tokenizer };
    return model;
  }

  async tokenizer(model: OwnerModel): Promise<Tokenizer> {
    if (this.#tokenizer?.path === model.path) return this.#tokenizer.tokenizer;
    const tokenizer = await loadTokenizer(model);
    this.#tokenizer = { path: model.path, tokenizer };
    return tokenizer;
  }

  /** Lets go of the tokenizer, which is large and needed by who reads rows alone. */
  forgetTokenizer(): void {
    if (this.#tokenizer === undefined) return;
    this.#tokenizer = undefined;
    collectGarbage('all');
  }

  engine(config: RunConfig, { description, sha256 }: OwnerModel): OwnerEngine {
    const { precision, kernels, lora_dropout: dropout, checkpointing } = config;
    const baseKey = JSON.stringify([sha256, precision, kernels]);
    if (this.#base?.key !== baseKey) {
      this.dispose();
      this.#base = { key: baseKey, base: new Base({ description, precision, kernels }) };
    }
    const { base } = this.#base!;
    const key = JSON.stringify([baseKey, dropout, checkpointing]);
    const trainer = (layout: AdapterLayout): Trainer => {
      if (this.#trainer?.key === key && sameLayout(this.#trainer.layout, layout)) return this.#trainer.trainer;
      this.#disposeTrainer();
      const { threads } = this.#options;
      const made = new StoppableTrainer(
        { base, modules: trainerModules(layout), dropout, threads, checkpointing },
        this.#options,
      );
      this.#trainer = { layout, key, trainer: made };
      return made;
    };
    return { kernels: base.kernels, env: { trainer } };
  }

  #disposeTrainer(): void {
    this.#trainer?.trainer.dispose();
    this.#trainer = undefined;
  }

  dispose(): void {
    this.#disposeTrainer();
    this.#base?.base.dispose();
    this.#base = undefined;
  }
}
