// The public API: explicit names, nothing else. What a run file can say needs `runFederation` alone; the rest is for
// programs that train, score or convert adapters themselves, and for methods of their own. See docs/library.md.

// Runs.

export { configJsonSchema, dumpConfig } from './config/dump.js';
export { loadConfig } from './config/load.js';
export { parseConfig } from './config/parse.js';
export type { RunConfig, RunConfigInput } from './config/schema.js';
export type { Evaluation, MeanScore, MeanScores, Score, Scores, Which } from './contracts/evaluation.js';
export type { ClientMetrics, RunMetrics, Timing } from './contracts/metrics.js';
export type { RunProgress } from './contracts/progress.js';
export { type OpenedRun, openRun } from './run/openRun.js';
export { type RunOptions, type RunResult, runFederation } from './run/runFederation.js';

// Base models and the engine.

export { type BaseModel, type LoadModelOptions, loadModel, type Tokenizer } from './model/index.js';
export type {
  EvalResult,
  EvaluateOptions,
  KernelSet,
  LoraModuleSpec,
  ModelDescription,
  PackedBatch,
  Precision,
  StepOptions,
  StepResult,
  TensorSource,
} from './native/binding.js';
export {
  type AdamWOptions,
  Base,
  type CreateTrainerOptions,
  cpuInfo,
  dequantize,
  type OpenBaseOptions,
  quantize,
  Trainer,
} from './native/engine.js';

// Adapters.

export { initialValues } from './adapter/init.js';
export { type Adapter, type AdapterLayout, type LayoutModule, TARGETS, type Target } from './adapter/layout.js';
export { type LoraShape, layoutFor, trainerModules } from './adapter/shapes.js';
export {
  type Dequantize,
  type ExportModel,
  type MergeOptions,
  type PeftOptions,
  readGgufAdapter,
  readPeftAdapter,
  writeGgufAdapter,
  writeMergedGguf,
  writeMergedHf,
  writePeftAdapter,
} from './export/index.js';

// Data, prompts, packed batches and scores.

export { macroScore, makeScore, weightedScore } from './contracts/score.js';
export {
  type BadRow,
  type Columns,
  type DataFormat,
  type DataSummary,
  describeSummary,
  type Example,
  type LoadedData,
  loadExamples,
  type Message,
  mergeSummaries,
  microBatches,
  type PromptTemplate,
  packBatch,
  promptTokens,
  type ReadOptions,
  readExamples,
  resolveTemplate,
  type Segment,
  type ShowOptions,
  showExample,
  type TokenizedData,
  type TokenizedExample,
  type TokenizeOptions,
  type ToolCall,
  tokenizeExample,
  tokenizeExamples,
} from './data/index.js';

export { type EvalOptions, type Evaluated, evaluate } from './eval/evaluate.js';
export type { EvalReport } from './eval/results.js';
export type { Subject } from './eval/subjects.js';

// Methods of your own: the parts that the built-in ones are made of.

export { z } from 'zod';
export { type Factors, factorMask } from './adapter/factors.js';
export { type Part, type Parts, packPart, unpackPart } from './adapter/part.js';
export { type Arithmetic, plainArithmetic } from './merge/arithmetic.js';
export { type MergeRow, mergeMean } from './merge/mean.js';
export { type RobustResult, robustMerge } from './merge/robust.js';
export { type AveragingMethod, averaging } from './methods/averaging.js';
export type { ClientHooks, DoneTurn, Turn } from './methods/averagingClient.js';
export { METHODS, type MethodId, methodOf } from './methods/index.js';
export {
  type AggregateResult,
  type Capabilities,
  type ClientAdapters,
  type ClientContext,
  type ClientHalf,
  type ClientInfo,
  type ClientUpdate,
  defineMethod,
  type Kept,
  type Method,
  type MethodInit,
  type RoundContext,
  type Sending,
  type ServerHalf,
  type ServerInit,
  type StateDocument,
} from './methods/method.js';
export type { FactorRule, MergedRound, Outgoing, ServerHooks, Share } from './methods/serverHooks.js';
export { trackOf } from './methods/tracks.js';
export { type CheckedUpdate, checkUpdates, type Expected, noteOf, partOf } from './methods/updates.js';
export { clientWeight } from './methods/weights.js';
export type { Phase, SearchPhase, Track, TrackResult, TrainPhase } from './methods/work.js';
export type { MutationOptions } from './mutation/options.js';
export { POOLED } from './pooled.js';

// Errors.

export {
  AdapterError,
  ConfigError,
  DataError,
  EngineError,
  type ExitCode,
  FedtuneError,
  InterruptedError,
  ModelError,
  RunError,
} from './errors.js';
export { version } from './version.js';
