import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { finetuneRates, learningRates, stepsOf } from '../../../src/methods/schedule.js';

describe('a budget of steps over all rounds', () => {
  it('is used up to the last step, in rounds that differ by one at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(300), (num_rounds, more) => {
        const config = parseConfig({ num_rounds, total_steps: num_rounds + more });
        const steps = Array.from({ length: num_rounds }, (_, i) => stepsOf(7, config, i + 1));
        expect(steps.reduce((sum, count) => sum + count, 0)).toBe(num_rounds + more);
        expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(1);
        expect(Math.min(...steps)).toBeGreaterThan(0);
      }),
    );
  });

  it('has a step for every round, and stands alone', () => {
    expect(() => parseConfig({ num_rounds: 5, total_steps: 4 })).toThrow('total_steps');
    expect(() => parseConfig({ num_rounds: 5, total_steps: 9, local_steps: 1 })).toThrow('total_steps');
  });
});

describe('the rates of fine-tuning', () => {
  it('are the one rate where the schedule is constant', () => {
    expect(finetuneRates(parseConfig({ learning_rate: 0.2 }), null, 3)).toEqual([0.2, 0.2, 0.2]);
  });

  it('go on where the schedule ends: never above its last round', () => {
    const linear = parseConfig({ learning_rate: 0.2, lr_scheduler: 'linear', num_rounds: 4 });
    expect(finetuneRates(linear, null, 2)).toEqual([0.05, 0.025]);
    const cosine = parseConfig({ learning_rate: 0.2, lr_scheduler: 'cosine', num_rounds: 9 });
    expect(Math.max(...finetuneRates(cosine, null, 30))).toBe(learningRates(cosine, 9, 1)[0]);
  });

  it('are the own one where it is given, and there without rounds too', () => {
    const linear = parseConfig({ lr_scheduler: 'linear' });
    expect(finetuneRates(linear, 0.3, 2)).toEqual([0.3, 0.3]);
    expect(finetuneRates(parseConfig({ learning_rate: 0.2, num_rounds: 0 }), null, 1)).toEqual([0.2]);
  });
});
