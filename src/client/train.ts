import {
  aliveComponents,
  type ComponentSelection,
  gatherComponents,
  scatterComponents,
} from '../adapter/components.js';
import type { Adapter } from '../adapter/layout.js';
import { intersectMasks } from '../adapter/masks.js';
import { EngineError } from '../errors.js';
import type { OptimizerState, TrainPhase } from '../methods/work.js';
import type { NativeTrainer } from '../native/binding.js';
import { deriveSeed } from '../random.js';
import { type ExampleStream, microBatchesOf } from './batches.js';
import type { ClientEnv } from './env.js';

/** What a training phase needs besides its settings. */
export interface TrainInput {
  readonly env: ClientEnv;
  readonly phase: Omit<TrainPhase, 'kind'>;
  readonly adapter: Adapter;
  readonly stream: ExampleStream;
  /** Seeds the dropout of each step. */
  readonly seed: number;
  /** What the optimizer starts with. @default fresh */
  readonly optimizer?: OptimizerState | undefined;
}

export interface TrainOutput {
  readonly values: Float32Array;
  readonly losses: number[];
  readonly meanGradient: Float32Array | null;
  readonly tokens: number;
  readonly targets: number;
  /** The optimizer as it is now, in the order of the entries that were computed with. */
  optimizer(): OptimizerState;
}

function prepare(trainer: NativeTrainer, input: TrainInput, small: <T extends Uint8Array | Float32Array>(x: T) => T) {
  const { phase, adapter } = input;
  const frozen = intersectMasks(adapter.mask, phase.trainable);
  // All ones is the same as no mask; said once, so that both take the same path through the engine.
  const trainable = frozen?.every((bit) => bit === 1) ? null : frozen;
  trainer.setValues(small(adapter.values));
  trainer.setTrainable(trainable === null ? null : small(trainable));
  trainer.setAnchor(phase.proxMu > 0 ? small(phase.anchor ?? adapter.values) : null);
  trainer.setGradientOffset(phase.gradientOffset === null ? null : small(phase.gradientOffset));
  if (input.optimizer === undefined) trainer.resetOptimizer();
  else trainer.setOptimizerState(input.optimizer);
  if (phase.wantMeanGradient) trainer.takeGradientSum();
  return trainable;
}

function runSteps(trainer: NativeTrainer, input: TrainInput): Pick<TrainOutput, 'losses' | 'tokens' | 'targets'> {
  const { phase, stream, seed } = input;
  const losses: number[] = [];
  let tokens = 0;
  let targets = 0;
  for (let step = 0; step < phase.steps; step++) {
    const examples = stream.next(phase.batchSize * phase.gradientAccumulationSteps);
    const result = trainer.step(microBatchesOf(examples, phase.batchSize), {
      learningRate: phase.learningRates[step]!,
      beta1: phase.beta1,
      beta2: phase.beta2,
      eps: phase.eps,
      weightDecay: phase.weightDecay,
      maxGradNorm: phase.maxGradNorm,
      dropoutSeed: deriveSeed(seed, 'dropout', step),
      proxMu: phase.proxMu,
    });
    if (!Number.isFinite(result.loss)) {
      throw new EngineError(
        'DIVERGED',
        `Expected a finite loss but step ${step + 1} of ${phase.steps} gave ${result.loss}; lower the learning rate or set max_grad_norm.`,
      );
    }
    losses.push(result.loss);
    tokens += result.tokens;
    targets += result.targets;
  }
  return { losses, tokens, targets };
}

function meanGradient(trainer: NativeTrainer, trainable: Uint8Array | null, selection: ComponentSelection | null) {
  const { steps, sum } = trainer.takeGradientSum();
  const mean = sum.map((value) => (steps > 0 ? value / steps : 0));
  const full = selection === null ? mean : scatterComponents(selection, mean, new Float32Array(selection.from.size));
  return trainable === null ? full : full.map((value, p) => (trainable[p] === 1 ? value : 0));
}

/**
 * Trains an adapter for the steps of a phase. Entries that the mask or `trainable` freezes keep
 * their values; components that the mask prunes whole are left out of the computation.
 */
export function trainAdapter(input: TrainInput): TrainOutput {
  const { env, phase, adapter } = input;
  const selection = aliveComponents(adapter.layout, adapter.mask);
  const small = <T extends Uint8Array | Float32Array>(entries: T): T =>
    selection === null ? entries : gatherComponents(selection, entries);
  const trainer = env.trainer(selection?.to ?? adapter.layout);
  const trainable = prepare(trainer, input, small);
  const counts = runSteps(trainer, input);
  const values = trainer.getValues();
  return {
    ...counts,
    values: selection === null ? values : scatterComponents(selection, values, new Float32Array(adapter.layout.size)),
    meanGradient: phase.wantMeanGradient ? meanGradient(trainer, trainable, selection) : null,
    optimizer: () => trainer.getOptimizerState(),
  };
}
