import { describe, expect, it } from 'vitest';
import { macroScore, makeScore, scoreOf, weightedScore } from '../../../src/contracts/score.js';

describe('scores by hand', () => {
  it('one client: the mean over target tokens, not over examples', () => {
    // 6 nats over 3 tokens and 3 over 1: 9 / 4, where the mean of the examples' means would be (2 + 3) / 2.
    const score = makeScore(Float64Array.of(6, 3), Int32Array.of(3, 1));
    expect(score).toEqual({ nll: 2.25, ppl: Math.exp(2.25), tokens: 4 });
    expect(scoreOf({ nll: 9, tokens: 4 })).toEqual(score);
    expect(scoreOf({ nll: 0, tokens: 0 })).toEqual({ nll: 0, ppl: 1, tokens: 0 });
  });

  const north = { nll: Math.log(2), ppl: 2, tokens: 300 };
  const south = { nll: Math.log(8), ppl: 8, tokens: 100 };

  it('macro: every client counts once, nll and ppl each by its own mean', () => {
    const { nll, ppl } = macroScore([north, south]);
    expect(nll).toBeCloseTo(Math.log(4), 12);
    expect(ppl).toBe(5);
  });

  it('weighted: nll by tokens, ppl its exponential', () => {
    // (300 ln 2 + 100 ln 8) / 400 = 1.5 ln 2, so ppl = 2^1.5
    const { nll, ppl } = weightedScore([north, south]);
    expect(nll).toBeCloseTo(1.5 * Math.log(2), 12);
    expect(ppl).toBeCloseTo(2 ** 1.5, 12);
  });
});
