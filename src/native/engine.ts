import type {
  EvalResult,
  EvaluateOptions,
  KernelSet,
  LoraModuleSpec,
  ModelDescription,
  NativeBase,
  NativeTrainer,
  PackedBatch,
  Precision,
  StepOptions,
  StepResult,
} from './binding.js';
import { guard, guardAsync } from './guard.js';
import { findGgmlLibrary, loadBinding } from './load.js';

export interface OpenBaseOptions {
  readonly description: ModelDescription;
  /** `f32` is the reference, `int8` keeps the base in int8 with a scale per 32 weights, `int4` its layers in 4 bits. @default 'int8' */
  readonly precision?: Precision;
  /** @default 'auto' */
  readonly kernels?: KernelSet;
}

/**
 * A frozen base model in memory. Bases of one description, precision, kernel set and state of their files share their weights
 * in one process, across worker threads too.
 */
export class Base implements Disposable {
  /** @internal */
  readonly native: NativeBase;

  /** Throws ModelError on a file that does not hold what the description says; EngineError on the rest. */
  constructor(options: OpenBaseOptions) {
    this.native = guard(() => {
      const binding = loadBinding();
      return new binding.Base({
        description: options.description,
        precision: options.precision ?? 'int8',
        kernels: options.kernels ?? 'auto',
        ggmlLibrary: findGgmlLibrary(),
      });
    });
  }

  get precision(): Precision {
    return guard(() => this.native.precision);
  }
  /** The kernel set in use. */
  get kernels(): Exclude<KernelSet, 'auto'> {
    return guard(() => this.native.kernels);
  }
  /** Bytes of weights in memory. */
  get bytes(): number {
    return guard(() => this.native.bytes);
  }
  /** Lets go of this handle; the weights go with the last handle and trainer. */
  dispose(): void {
    this.native.dispose();
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

export interface CreateTrainerOptions {
  readonly base: Base;
  /** The adapted linear layers, in the order of the flat vector (src/adapter/layout.ts). */
  readonly modules: readonly LoraModuleSpec[];
  /** Dropout on the input of A while training; the modules that share an input share the mask. @default 0 */
  readonly dropout?: number;
  /**
   * Compute threads, 1 to 64. No more than the machine has cores (or 4) are started; the bits are the same with any number.
   * Threads that the system does not give are an EngineError THREADS. @default 1
   */
  readonly threads?: number;
  /** Recompute activations in the backward pass: less memory, about a third more time, the same bits. @default false */
  readonly checkpointing?: boolean;
}

/** Options of one AdamW step; see `StepOptions` in binding.ts. */
export type AdamWOptions = Partial<StepOptions> & Pick<StepOptions, 'learningRate'>;

const STEP_DEFAULTS: Omit<StepOptions, 'learningRate'> = {
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  maxGradNorm: 0,
  dropoutSeed: 0,
  proxMu: 0,
};

/**
 * A LoRA adapter in training on a base. Values are flat (see `NativeTrainer`). Calls are synchronous: use them in a
 * worker thread, or the `...Async` ones elsewhere. Errors: EngineError with codes of `NativeErrorCode`.
 */
export class Trainer implements Disposable {
  readonly #native: NativeTrainer;

  constructor(options: CreateTrainerOptions) {
    this.#native = guard(() => {
      const binding = loadBinding();
      return new binding.Trainer({
        ...options,
        base: options.base.native,
        threads: options.threads ?? 1,
      });
    });
  }

  get numValues(): number {
    return guard(() => this.#native.numValues);
  }
  get bytes(): number {
    return guard(() => this.#native.bytes);
  }
  getValues(): Float32Array {
    return guard(() => this.#native.getValues());
  }
  setValues(values: Float32Array): void {
    guard(() => this.#native.setValues(values));
  }
  setTrainable(mask: Uint8Array | null): void {
    guard(() => this.#native.setTrainable(mask));
  }
  setAnchor(anchor: Float32Array | null): void {
    guard(() => this.#native.setAnchor(anchor));
  }
  setGradientOffset(offset: Float32Array | null): void {
    guard(() => this.#native.setGradientOffset(offset));
  }
  resetOptimizer(): void {
    guard(() => this.#native.resetOptimizer());
  }
  getOptimizerState(): { step: number; m: Float32Array; v: Float32Array } {
    return guard(() => this.#native.getOptimizerState());
  }
  setOptimizerState(state: { step: number; m: Float32Array; v: Float32Array }): void {
    guard(() => this.#native.setOptimizerState(state));
  }
  /** NLL of the batch's target tokens (`all`: of every predicted token), with the adapter or without. */
  evaluate(batch: PackedBatch, options: EvaluateOptions = {}): EvalResult {
    return guard(() => this.#native.evaluate(batch, options));
  }
  gradient(batches: readonly PackedBatch[]): { loss: number; targets: number; gradient: Float32Array } {
    return guard(() => this.#native.gradient(batches));
  }
  step(batches: readonly PackedBatch[], options: AdamWOptions): StepResult {
    return guard(() => this.#native.step(batches, { ...STEP_DEFAULTS, ...options }));
  }
  evaluateAsync(batch: PackedBatch, options: EvaluateOptions = {}): Promise<EvalResult> {
    return guardAsync(() => this.#native.evaluateAsync(batch, options));
  }
  gradientAsync(batches: readonly PackedBatch[]): Promise<{ loss: number; targets: number; gradient: Float32Array }> {
    return guardAsync(() => this.#native.gradientAsync(batches));
  }
  stepAsync(batches: readonly PackedBatch[], options: AdamWOptions): Promise<StepResult> {
    return guardAsync(() => this.#native.stepAsync(batches, { ...STEP_DEFAULTS, ...options }));
  }
  takeGradientSum(): { steps: number; sum: Float32Array } {
    return guard(() => this.#native.takeGradientSum());
  }
  takeProfile(): Record<string, number> {
    return guard(() => this.#native.takeProfile());
  }
  dispose(): void {
    guard(() => this.#native.dispose());
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What this processor offers: kernel sets in order of preference, and features by name. */
export function cpuInfo(): { kernels: Exclude<KernelSet, 'auto'>[]; features: string[] } {
  return guard(() => loadBinding().cpu());
}

/** Turns `count` values of a ggml type (0 = F32, 1 = F16, 3 = Q4_1, ...) into floats. Throws ModelError UNSUPPORTED_TYPE. */
export function dequantize(type: number, bytes: Uint8Array, count: number): Float32Array {
  return guard(() => loadBinding().dequantize(findGgmlLibrary(), type, bytes, count));
}

/**
 * Turns floats into a ggml type with ggml's own code, so the bits are llama.cpp's: F32, F16, BF16, Q4_0 .. Q8_0, Q2_K .. Q6_K,
 * IQ4_NL, IQ4_XS. Throws ModelError UNSUPPORTED_TYPE on others, BAD_SHAPE where the values are no whole blocks; EngineError
 * NON_FINITE.
 */
export function quantize(type: number, values: Float32Array): Uint8Array {
  return guard(() => loadBinding().quantize(findGgmlLibrary(), type, values));
}
