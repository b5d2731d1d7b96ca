import type { RunConfig } from '../config/schema.js';

type ScheduleConfig = Pick<RunConfig, 'learning_rate' | 'lr_scheduler' | 'warmup_ratio' | 'num_rounds'>;

/** Factor on the peak learning rate at `progress` (0 .. 1) of all rounds, behind the warm-up. */
function decay(scheduler: RunConfig['lr_scheduler'], progress: number): number {
  if (scheduler === 'linear') return 1 - progress;
  if (scheduler === 'cosine') return (1 + Math.cos(Math.PI * progress)) / 2;
  return 1;
}

/**
 * Learning rate of each of the `steps` optimizer steps of a round (rounds count from 1). One schedule runs over all
 * rounds, whatever the number of steps a client takes in each: linear warm-up over the first `warmup_ratio`, then
 * constant, linear to 0 or a half cosine to 0.
 */
export function learningRates(config: ScheduleConfig, round: number, steps: number): number[] {
  const { learning_rate: peak, warmup_ratio: warmup, num_rounds: rounds } = config;
  return Array.from({ length: steps }, (_, step) => {
    const progress = Math.min(1, (round - 1 + step / steps) / Math.max(1, rounds));
    if (progress < warmup) {
      const end = (round - 1 + (step + 1) / steps) / Math.max(1, rounds);
      return peak * Math.min(1, end / warmup);
    }
    return peak * decay(config.lr_scheduler, warmup === 1 ? 1 : (progress - warmup) / (1 - warmup));
  });
}
