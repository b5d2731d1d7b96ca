import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import type { Evaluation } from '../../../src/contracts/evaluation.js';
import type { Progress } from '../../../src/contracts/progress.js';
import { bestEvaluation, stopsEarly } from '../../../src/server/bestRound.js';
import type { Federation, LoopHost, LoopState } from '../../../src/server/types.js';

const evaluationsOf = (losses: readonly number[]): Evaluation[] => [
  { round: 0, split: 'valid', macro: { base: { nll: 0.1, ppl: 1 } }, weighted: {} },
  ...losses.map(
    (nll, i): Evaluation => ({ round: i + 1, split: 'valid', macro: { global: { nll, ppl: 1 } }, weighted: {} }),
  ),
];

const loss = fc.oneof(fc.constantFrom(1, 2, 3), fc.double({ min: 0, max: 10, noNaN: true }));

describe('the best evaluation', () => {
  it('has the lowest loss, and is the first that has it', () => {
    fc.assert(
      fc.property(fc.array(loss, { minLength: 1 }), (losses) => {
        const best = bestEvaluation(evaluationsOf(losses), 'global')!;
        expect(best.round).toBe(1 + losses.indexOf(Math.min(...losses)));
      }),
    );
  });

  it('is none of an adapter that has gone astray where another has a loss', () => {
    expect(bestEvaluation(evaluationsOf([Number.NaN, 3, Number.NaN, 2]), 'global')!.round).toBe(4);
    expect(bestEvaluation(evaluationsOf([Number.NaN, Number.NaN]), 'global')!.round).toBe(1);
    expect(bestEvaluation(evaluationsOf([]), 'global')).toBeUndefined();
  });
});

describe('the rounds end early', () => {
  /** Rounds that a run of these losses takes. */
  function roundsOf(losses: readonly number[], patience: number | null) {
    const config = parseConfig({ early_stopping_patience: patience });
    const federation = { config, capabilities: { gives: ['global'] } } as unknown as Federation;
    const told: Progress[] = [];
    const host = { progress: (one: Progress) => told.push(one) } as unknown as LoopHost;
    let round = 0;
    const state = () => ({ round, evaluations: evaluationsOf(losses.slice(0, round)) }) as unknown as LoopState;
    while (round < losses.length && !stopsEarly(federation, state(), host)) round++;
    return { round, told };
  }

  it('after as many evaluations without a lower loss as there is patience', () => {
    fc.assert(
      fc.property(
        fc.array(loss, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 5 }),
        (losses, patience) => {
          const { round, told } = roundsOf(losses, patience);
          const lowest = losses.map((value, i) => i === 0 || value < Math.min(...losses.slice(0, i)));
          // By the definition, one place after the other.
          let since = 0;
          let expected = 0;
          while (expected < losses.length && since < patience) since = lowest[expected++] ? 0 : since + 1;
          expect(round).toBe(expected);
          if (since === patience && round < losses.length) {
            expect(told).toEqual([{ kind: 'stopped', round, best: round - patience }]);
          }
        },
      ),
    );
  });

  it('never without patience', () => {
    expect(roundsOf([1, 2, 3, 4, 5, 6], null)).toEqual({ round: 6, told: [] });
  });
});
