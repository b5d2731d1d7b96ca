import { describe, expect, it } from 'vitest';
import type { Adapter } from '../../../src/adapter/layout.js';
import { scoreExamples, sumScores } from '../../../src/client/score.js';
import { macroScore, scoreOf, weightedScore } from '../../../src/contracts/score.js';
import type { NativeTrainer, PackedBatch } from '../../../src/native/binding.js';

describe('scores by hand', () => {
  it('one client: the mean over target tokens, not over examples', () => {
    // 6 nats over 3 tokens and 3 over 1: 9 / 4, where the mean of the examples' means would be (2 + 3) / 2.
    const sum = sumScores({ nll: Float64Array.of(6, 3), targets: Int32Array.of(3, 1), tokens: 9 });
    expect(sum).toEqual({ nll: 9, tokens: 4 });
    expect(scoreOf(sum)).toEqual({ nll: 2.25, ppl: Math.exp(2.25), tokens: 4 });
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

interface Call {
  readonly tokens: number[];
  readonly adapter: boolean;
}

/** Token t costs t nats, half of it with an adapter; notes what it was asked. */
function tokenTrainer(calls: Call[]): NativeTrainer {
  return {
    setValues: () => {},
    evaluate(batch: PackedBatch, { adapter }: { adapter: boolean }) {
      calls.push({ tokens: [...batch.tokens], adapter });
      const cost = (token: number, i: number) => (batch.lossMask[i] === 1 ? token / (adapter ? 2 : 1) : 0);
      return { nll: Float32Array.from(batch.tokens, cost), nllSum: 0, targets: 0 };
    },
  } as unknown as NativeTrainer;
}

const layout = { modules: [], size: 0 };
const adapter: Adapter = { layout, values: new Float32Array(0), mask: null };

describe('scoring examples', () => {
  const examples = [
    { id: 'a', tokens: Int32Array.of(9, 1, 2), lossMask: Uint8Array.of(1, 1, 1) },
    { id: 'b', tokens: Int32Array.of(9, 9, 4, 5), lossMask: Uint8Array.of(0, 0, 1, 1) },
    { id: 'c', tokens: new Int32Array(1000).fill(1), lossMask: new Uint8Array(1000).fill(1) },
    { id: 'd', tokens: new Int32Array(2000).fill(1), lossMask: new Uint8Array(2000).fill(1) },
  ];
  const score = (of: Adapter | null, indices: readonly number[], calls: Call[] = []) =>
    scoreExamples(
      of,
      { count: indices.length, example: (i) => examples[indices[i]!]! },
      { trainer: () => tokenTrainer(calls) },
      layout,
    );

  it('sums target tokens by example; the first token of a sequence is none', () => {
    const { nll, targets, tokens } = score(null, [1, 0]);
    expect([...nll]).toEqual([9, 3]);
    expect([...targets]).toEqual([2, 2]);
    expect(tokens).toBe(7);
  });

  it('scores the base or the adapter', () => {
    const calls: Call[] = [];
    expect([...score(adapter, [0, 1], calls).nll]).toEqual([1.5, 4.5]);
    expect(calls.map((call) => call.adapter)).toEqual([true]);
  });

  it('batches a bounded number of tokens, a longer example alone', () => {
    const calls: Call[] = [];
    const { targets } = score(null, [0, 1, 2, 3, 0], calls);
    expect(calls.map(({ tokens }) => tokens.length)).toEqual([1007, 2000, 3]);
    expect([...targets]).toEqual([2, 2, 999, 1999, 2]);
  });
});
