import type { TrainPhase } from './work.js';

/** The keys of the run file that shape local training. */
export interface TrainSettings {
  readonly local_steps: number | null;
  readonly local_epochs: number | null;
  readonly total_steps: number | null;
  readonly batch_size: number;
  readonly gradient_accumulation_steps: number;
  readonly learning_rate: number;
  readonly lr_scheduler: 'constant' | 'linear' | 'cosine';
  readonly warmup_ratio: number;
  readonly weight_decay: number;
  readonly max_grad_norm: number;
  readonly num_rounds: number;
}

type BatchSettings = Pick<TrainSettings, 'batch_size' | 'gradient_accumulation_steps'>;
type RateSettings = Pick<TrainSettings, 'learning_rate' | 'lr_scheduler' | 'warmup_ratio' | 'num_rounds'>;

/** Optimizer steps that `epochs` passes over `numTrain` examples need, at least one. */
export function stepsOfEpochs(numTrain: number, epochs: number, settings: BatchSettings): number {
  return Math.max(1, Math.ceil((epochs * numTrain) / (settings.batch_size * settings.gradient_accumulation_steps)));
}

type StepSettings = BatchSettings & Pick<TrainSettings, 'local_steps' | 'local_epochs' | 'total_steps' | 'num_rounds'>;

/**
 * Optimizer steps of a client in a round (from 1): its part of `total_steps`, split evenly down to whole steps, or `local_steps`, or
 * what `local_epochs` (default 1) of its examples need.
 */
export function stepsOf(numTrain: number, settings: StepSettings, round: number): number {
  const { total_steps: total } = settings;
  const rounds = Math.max(1, settings.num_rounds);
  if (total !== null) return Math.floor((total * round) / rounds) - Math.floor((total * (round - 1)) / rounds);
  return settings.local_steps ?? stepsOfEpochs(numTrain, settings.local_epochs ?? 1, settings);
}

/** Factor on the peak learning rate at `progress` (0 .. 1) of all rounds, behind the warm-up. */
function decay(scheduler: TrainSettings['lr_scheduler'], progress: number): number {
  if (scheduler === 'linear') return 1 - progress;
  if (scheduler === 'cosine') return (1 + Math.cos(Math.PI * progress)) / 2;
  return 1;
}

/**
 * Learning rate of each of the `steps` optimizer steps of a round (rounds count from 1). One schedule runs over all
 * rounds, whatever the number of steps a client takes in each: linear warm-up over the first `warmup_ratio`, then
 * constant, linear to 0 or a half cosine to 0.
 */
export function learningRates(settings: RateSettings, round: number, steps: number): number[] {
  const { learning_rate: peak, warmup_ratio: warmup, num_rounds: rounds } = settings;
  return Array.from({ length: steps }, (_, step) => {
    const progress = Math.min(1, (round - 1 + step / steps) / Math.max(1, rounds));
    if (progress < warmup) {
      const end = (round - 1 + (step + 1) / steps) / Math.max(1, rounds);
      return peak * Math.min(1, end / warmup);
    }
    return peak * decay(settings.lr_scheduler, warmup === 1 ? 1 : (progress - warmup) / (1 - warmup));
  });
}

/**
 * Learning rates of local fine-tuning: one of its own throughout, or those of the schedule's last round, so that a rate that has fallen
 * does not jump up again.
 */
export function finetuneRates(settings: RateSettings, ownRate: number | null, steps: number): number[] {
  if (ownRate !== null) return new Array<number>(steps).fill(ownRate);
  return learningRates(settings, Math.max(1, settings.num_rounds), steps);
}

/**
 * A training phase with the run's settings; `overrides` on top. With `steps` overridden the learning rates follow. No mask,
 * no anchor, no proximal term unless overridden; AdamW with beta 0.9 and 0.999, eps 1e-8.
 */
export function makeTrainPhase(
  settings: TrainSettings,
  round: number,
  numTrain: number,
  overrides: Partial<TrainPhase> = {},
): TrainPhase {
  const steps = overrides.steps ?? stepsOf(numTrain, settings, round);
  return {
    kind: 'train',
    steps,
    batchSize: settings.batch_size,
    gradientAccumulationSteps: settings.gradient_accumulation_steps,
    learningRates: learningRates(settings, round, steps),
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: settings.weight_decay,
    maxGradNorm: settings.max_grad_norm,
    trainable: null,
    proxMu: 0,
    anchor: null,
    gradientOffset: null,
    wantMeanGradient: false,
    ...overrides,
  };
}
