/**
 * The whole native contract: every class and function of the addon, in TypeScript. Nothing else in src/ touches the
 * .node file; tests/native/contract.test.ts checks this file against it.
 *
 * Handles belong to the thread that made them, but the base weights behind equal `NativeBase` handles are one
 * read-only copy for the whole process. Everything throws a plain Error whose `code` is one of `NativeErrorCode`;
 * src/native/engine.ts turns it into a typed FedtuneError.
 */

/** Where the values of one base tensor lie. */
export interface TensorSource {
  /** Canonical GGUF name, e.g. `blk.0.attn_q.weight`. */
  readonly name: string;
  /** Index into {@link ModelDescription.files}. */
  readonly file: number;
  /** Byte offset of the first value in that file. */
  readonly offset: number;
  /** Size in bytes. */
  readonly bytes: number;
  /** ggml type number (0 = F32, 1 = F16, 3 = Q4_1, 8 = Q8_0, 30 = BF16, ...). */
  readonly type: number;
  /** ggml order: ne[0] is the contiguous (input) dimension, ne[1] the number of rows. */
  readonly ne: readonly number[];
}

/** How the heads of a layer are turned by their position. Every scaling of RoPE comes down to factors and a magnitude. */
export interface RopeTable {
  /** Base of the frequencies: pair i turns by position * theta^(-2 i / dim) / factors[i]. */
  readonly theta: number;
  /** Dimensions of a head that are turned, the first ones; usually headDim. */
  readonly dim: number;
  /** `interleaved`: pairs (2i, 2i+1), GGUF llama; `half`: pairs (i, i + dim/2), qwen and all Hugging Face models. */
  readonly pairing: 'interleaved' | 'half';
  /** Divisor of each of the dim/2 frequencies. @default all 1 */
  readonly factors?: readonly number[];
  /** Factor of the turned dimensions (yarn, longrope). @default 1 */
  readonly magnitude?: number;
}

/** What one layer has of its own. */
export interface LayerDescription {
  /** Index into {@link ModelDescription.ropes}; null: positions do not count in this layer. */
  readonly rope: number | null;
  /** A token sees itself and the `window - 1` before it; null: all before it. @default null */
  readonly window?: number | null;
}

/**
 * A decoder of the llama family told in features, fully described and checked; made by src/model, consumed by the engine,
 * which refuses (UNSUPPORTED_FEATURE) a value or a key that it does not know. A linear layer that has a `.bias` tensor adds it.
 */
export interface ModelDescription {
  /** `general.architecture` of GGUF files: for messages and exports. The engine does not read it. */
  readonly architecture: string;
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly ffnSize: number;
  readonly vocabSize: number;
  /** Longest sequence in tokens. */
  readonly contextLength: number;
  readonly normEps: number;
  /** Added to the weights of all norms as they are stored (Hugging Face's Gemma: 1). @default 0 */
  readonly normOffset?: number;
  /** RMS norm of what attention and the feed-forward part take in. @default true */
  readonly preNorm?: boolean;
  /** RMS norm of what they put out, before it is added to the residual stream. @default false */
  readonly postNorm?: boolean;
  /** RMS norm of q and k before RoPE: of each head, of all heads as one row, or none. */
  readonly qkNorm: 'none' | 'head' | 'row';
  /** Of the gate: feed-forward = down(activation(gate) * up). */
  readonly activation: 'silu' | 'gelu_tanh';
  /** q, k and v are one tensor, `attn_qkv`, and one target of adapters. @default false */
  readonly fusedQkv?: boolean;
  /** gate and up are one tensor, `ffn_gate_up` (gate first), and one target of adapters. @default false */
  readonly fusedGateUp?: boolean;
  /** Factor of the embeddings. @default 1 */
  readonly embeddingScale?: number;
  /** Factor of what attention and the feed-forward part add to the residual stream. @default 1 */
  readonly residualScale?: number;
  /** Factor of the attention scores. @default 1 / sqrt(headDim) */
  readonly attentionScale?: number;
  /** Scores s become c * tanh(s / c); 0: they stay. @default 0 */
  readonly attentionSoftcap?: number;
  /** Factor of the logits. @default 1 */
  readonly logitScale?: number;
  /** As attentionSoftcap, of the logits after their factor. @default 0 */
  readonly logitSoftcap?: number;
  readonly ropes: readonly RopeTable[];
  /** One entry a layer. */
  readonly layers: readonly LayerDescription[];
  /** Absolute paths that `TensorSource.file` counts in. */
  readonly files: readonly string[];
  /** token_embd, [output], output_norm, blk.N.{attn_q,attn_k,attn_v (or attn_qkv),attn_output,ffn_gate,ffn_up (or ffn_gate_up),ffn_down}.weight, blk.N.{attn,ffn}_norm.weight with preNorm, blk.N.post_{attention,ffw}_norm.weight with postNorm, blk.N.attn_{q,k}_norm.weight with qkNorm, and a .bias of any linear layer. No `output.weight`: tied. */
  readonly tensors: readonly TensorSource[];
}

export type Precision = 'f32' | 'int8' | 'int4';

/** `auto` takes the best the processor has. A forced set that the processor lacks is an error. */
export type KernelSet = 'auto' | 'amx' | 'avx512bf16' | 'vnni' | 'avxvnni' | 'avx2' | 'i8mm' | 'neon' | 'portable';

export interface BaseOptions {
  readonly description: ModelDescription;
  readonly precision: Precision;
  readonly kernels: KernelSet;
  /** Absolute path of ggml's base library (libggml-base), which dequantises. */
  readonly ggmlLibrary: string;
}

/** One adapted linear layer. */
export interface LoraModuleSpec {
  /** Canonical module name, e.g. `blk.0.attn_q`. */
  readonly module: string;
  readonly rank: number;
  /** The factor s in y = W x + s B A x. */
  readonly scale: number;
}

export interface TrainerOptions {
  readonly base: NativeBase;
  readonly modules: readonly LoraModuleSpec[];
  /** Dropout on the input of A while training. @default 0 */
  readonly dropout?: number;
  /** Compute threads of this trainer, 1 .. 64; no more than the cores of the machine (or 4) are started. The bits are the same. */
  readonly threads: number;
  /** Recompute activations in the backward pass instead of keeping them. @default false */
  readonly checkpointing?: boolean;
}

/** Packed sequences that do not see each other. */
export interface PackedBatch {
  /** All tokens, sequence after sequence. */
  readonly tokens: Int32Array;
  /** One byte a token: 1 where this token is a target (predicted from the ones before it). The first token of a sequence never counts. */
  readonly lossMask: Uint8Array;
  /** Length in tokens of each sequence; they sum to tokens.length. */
  readonly lengths: Int32Array;
}

export interface EvaluateOptions {
  /** False scores the bare base. @default true */
  readonly adapter?: boolean;
  /** Fill nll for every predicted token instead of the targets alone. @default false */
  readonly all?: boolean;
}

export interface EvalResult {
  /** Negative log-likelihood in nats, per token of the batch: nll[i] is that of predicting tokens[i]; 0 where not asked for. */
  readonly nll: Float32Array;
  /** Sum over target tokens, float64. */
  readonly nllSum: number;
  readonly targets: number;
}

/** One fused AdamW step (decoupled weight decay, bias-corrected, as torch.optim.AdamW). */
export interface StepOptions {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Clip the gradient to this global norm; 0: no clipping. */
  readonly maxGradNorm: number;
  /** Seed of the dropout masks of this step (unsigned 32 bit). */
  readonly dropoutSeed: number;
  /** Proximal pull: the gradient gets proxMu * (theta - anchor). Needs `setAnchor`. 0: none. */
  readonly proxMu: number;
}

export interface StepResult {
  /** Mean NLL over the target tokens of all micro-batches, before the step; without the proximal term. */
  readonly loss: number;
  /** Global norm of the gradient over trainable entries before clipping. */
  readonly gradNorm: number;
  readonly targets: number;
  readonly tokens: number;
}

export interface NativeBase {
  readonly precision: Precision;
  /** Kernel set in use. */
  readonly kernels: Exclude<KernelSet, 'auto'>;
  /** Bytes of weights held in memory. */
  readonly bytes: number;
  dispose(): void;
}

/**
 * An adapter in training on a base. Values are one flat Float32Array: module after module in the order of
 * `TrainerOptions.modules`, each A (rank x in, row-major) then B (out x rank, row-major); entry order inside q and k
 * is that of the base file.
 */
export interface NativeTrainer {
  readonly numValues: number;
  getValues(): Float32Array;
  /** Throws NON_FINITE on NaN or infinity. Leaves the optimizer state alone. */
  setValues(values: Float32Array): void;
  /** One byte an entry: 0 freezes it (no gradient, moment, decay); null: all trainable. The values stay as they are. */
  setTrainable(mask: Uint8Array | null): void;
  /** Anchor of the proximal term; null: none. */
  setAnchor(anchor: Float32Array | null): void;
  /** Added to the mean gradient before clipping (SCAFFOLD's c - c_i); null: none. */
  setGradientOffset(offset: Float32Array | null): void;
  /** First and second moments to zero, step count to 0. */
  resetOptimizer(): void;
  /** Moments and step count, to carry on elsewhere bit-equally. */
  getOptimizerState(): { step: number; m: Float32Array; v: Float32Array };
  setOptimizerState(state: { step: number; m: Float32Array; v: Float32Array }): void;
  /** Forward only, without dropout. */
  evaluate(batch: PackedBatch, options: EvaluateOptions): EvalResult;
  /** Gradient of the mean NLL over the targets of all micro-batches, flat as the values, without the proximal term, offset and mask. No dropout. */
  gradient(batches: readonly PackedBatch[]): { loss: number; targets: number; gradient: Float32Array };
  /** One optimizer step over the micro-batches, normalised by their target tokens together. */
  step(batches: readonly PackedBatch[], options: StepOptions): StepResult;
  /** Sum of the raw gradients (before offset, proximal term, clipping) of the steps since the last call, and their number; starts collecting at the first call. */
  takeGradientSum(): { steps: number; sum: Float32Array };
  /** The same three off the calling thread; BUSY while another call runs. */
  evaluateAsync(batch: PackedBatch, options: EvaluateOptions): Promise<EvalResult>;
  gradientAsync(batches: readonly PackedBatch[]): Promise<{ loss: number; targets: number; gradient: Float32Array }>;
  stepAsync(batches: readonly PackedBatch[], options: StepOptions): Promise<StepResult>;
  /** Seconds spent per kernel since the last call, by name. */
  takeProfile(): Record<string, number>;
  /** Bytes of activations, moments and scratch, after the last call that is done. */
  readonly bytes: number;
  dispose(): void;
}

/** One row of a weighted mean. */
export interface MergeRow {
  readonly values: Float32Array;
  readonly weight: number;
  /** One byte an entry (0 or 1); null: all ones. */
  readonly mask: Uint8Array | null;
}

/** Entries start .. end - 1 of a flat adapter. */
export interface EntryRange {
  readonly start: number;
  readonly end: number;
}

/** A weighted row of a combination: `weights` has one for each range; `mask` null: all ones. */
export interface CombinationTerm {
  readonly values: Float32Array;
  readonly mask: Uint8Array | null;
  readonly weights: Float64Array;
}

/** (B - B0) times weight * (A - A0) of one module; B0 and A0 lie in `minus` at the same places, null: zeros. */
export interface ProductSummand {
  readonly values: Float32Array;
  readonly minus: Float32Array | null;
  readonly weight: number;
  readonly offsetA: number;
  readonly offsetB: number;
  readonly rank: number;
}

/** Where A (rank x in) and B (out x rank) of a module lie in an adapter. */
export interface FactorPlace {
  readonly offsetA: number;
  readonly offsetB: number;
  readonly rank: number;
  readonly inDim: number;
  readonly outDim: number;
}

export interface NativeBinding {
  Base: new (options: BaseOptions) => NativeBase;
  Trainer: new (options: TrainerOptions) => NativeTrainer;
  /**
   * Weighted mean per entry over the rows whose mask is 1 there, in the order given, in float64:
   * sum(w * v) / sum(w), rounded to f32; `fallback` where no weight came. Streams over entries: beside the inputs only
   * the result is in memory.
   */
  mergeMean(rows: readonly MergeRow[], fallback: Float32Array, threads: number): Float32Array;
  /**
   * Adds weight * value to `sum` and the weight to `weights` (null: not kept, where the row has no mask), in place, at the
   * entries that the row has; values are finite.
   */
  addRow(sum: Float64Array, weights: Float64Array | null, row: MergeRow): void;
  /**
   * Mean per entry of the sorted values of the rows whose mask is 1 there, without the lowest and the highest
   * `cuts[number of those rows]`, added from the lowest to the highest in float64; where that cut is negative the weighted
   * mean stands. `cuts` has rows.length + 1 entries. NaN sorts last, as in `Float64Array.prototype.sort`.
   */
  sortedMean(rows: readonly MergeRow[], fallback: Float32Array, cuts: Int32Array, threads: number): Float32Array;
  /**
   * Inner products of all pairs of rows over the entries of each range where the mask is 1 (null: all), as
   * [range][row][row]. Float64, in the order that native/engine/products.h states, whatever the threads.
   */
  gram(
    rows: readonly Float32Array[],
    mask: Uint8Array | null,
    ranges: readonly EntryRange[],
    threads: number,
  ): Float64Array;
  /** Squared distances of all pairs of rows, as [row][row]; the order of `gram`. */
  squaredDistances(rows: readonly Float32Array[], threads: number): Float64Array;
  /** Number of entries that are 1 in both masks, for all pairs, as [mask][mask]; on the diagonal the ones. */
  maskOverlaps(masks: readonly (Uint8Array | null)[], length: number, threads: number): Float64Array;
  /**
   * base + scale * x, where x of an entry is the sum of weights[range] * value over the terms in order, in float64 with one
   * rounding. Ranges are in order without overlap; outside of them `base` stands.
   */
  addCombination(
    base: Float32Array,
    terms: readonly CombinationTerm[],
    ranges: readonly EntryRange[],
    scale: number,
    threads: number,
  ): Float32Array;
  /** The sum of the combinations' x in float64, each added up by itself and then to those before it. */
  sumCombinations(
    combinations: readonly (readonly CombinationTerm[])[],
    ranges: readonly EntryRange[],
    length: number,
    threads: number,
  ): Float64Array;
  /** The sum of products as out x in, each entry added up in float64 over the components in order. */
  productSum(summands: readonly ProductSummand[], outDim: number, inDim: number, threads: number): Float64Array;
  /** ||B A||_F squared of each module. */
  productNorms(values: Float32Array, modules: readonly FactorPlace[], threads: number): Float64Array;
  /** What this processor has: kernel sets in order of preference, and feature names. */
  cpu(): { kernels: Exclude<KernelSet, 'auto'>[]; features: string[] };
  /** Version of ggml behind `ggmlLibrary`, e.g. `0.25.1`; throws GGML_LOAD. */
  ggmlVersion(ggmlLibrary: string): string;
  /** Dequantises `count` values of ggml `type` from `bytes`. */
  dequantize(ggmlLibrary: string, type: number, bytes: Uint8Array, count: number): Float32Array;
  /** Quantises finite values, a multiple of the type's block, as llama.cpp does without an importance matrix. */
  quantize(ggmlLibrary: string, type: number, values: Float32Array): Uint8Array;
}

/** `code` of the errors that the addon throws. */
export type NativeErrorCode =
  | 'DISPOSED'
  | 'BUSY'
  | 'BAD_ARGUMENT'
  | 'BAD_MODEL'
  | 'MISSING_TENSOR'
  | 'BAD_SHAPE'
  | 'UNSUPPORTED_FEATURE'
  | 'UNSUPPORTED_TYPE'
  | 'TRUNCATED'
  | 'TOKEN_RANGE'
  | 'CONTEXT_LENGTH'
  | 'NO_TARGETS'
  | 'NON_FINITE'
  | 'BAD_RANK'
  | 'UNSUPPORTED_CPU'
  | 'GGML_LOAD'
  | 'OUT_OF_MEMORY'
  | 'THREADS'
  | 'INTERNAL';
