import { describe, expect, it } from 'vitest';
import type { Adapter } from '../../../src/adapter/layout.js';
import type { EvalJob } from '../../../src/eval/job.js';
import { macroScore, makeScore, weightedScore } from '../../../src/eval/score.js';
import { scoreAdapters } from '../../../src/eval/scoreAdapters.js';
import { scoreExamples } from '../../../src/eval/scoreExamples.js';
import type { NativeTrainer, PackedBatch } from '../../../src/native/binding.js';
import type { ClientPool } from '../../../src/runtime/types.js';

describe('scores by hand', () => {
  it('one client: the mean over target tokens, not over examples', () => {
    // 6 nats over 3 tokens and 3 over 1: 9 / 4, where the mean of the examples' means would be (2 + 3) / 2.
    const score = makeScore(Float64Array.of(6, 3), Int32Array.of(3, 1));
    expect(score).toEqual({ nll: 2.25, ppl: Math.exp(2.25), tokens: 4 });
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

/** Token t costs t nats, half of it with an adapter; notes what it was asked. */
function tokenTrainer(calls: { tokens: number[]; adapter: boolean }[]): NativeTrainer {
  return {
    setValues: () => {},
    evaluate(batch: PackedBatch, options: { adapter: boolean; all: boolean }) {
      calls.push({ tokens: [...batch.tokens], adapter: options.adapter });
      const nll = Float32Array.from(batch.tokens, (token, i) =>
        batch.lossMask[i] === 1 ? token / (options.adapter ? 2 : 1) : 0,
      );
      return { nll, nllSum: nll.reduce((a, b) => a + b, 0), targets: 0 };
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
  const score = (job: EvalJob, calls: { tokens: number[]; adapter: boolean }[] = []) =>
    scoreExamples(job, { trainer: () => tokenTrainer(calls), example: (index) => examples[index]! }, layout);

  it('sums target tokens by example; the first token of a sequence is none', () => {
    const { nll, targets, tokens } = score({ adapter: null, indices: [1, 0] });
    expect([...nll]).toEqual([9, 3]);
    expect([...targets]).toEqual([2, 2]);
    expect(tokens).toBe(7);
  });

  it('scores the base or the adapter', () => {
    const calls: { tokens: number[]; adapter: boolean }[] = [];
    expect([...score({ adapter, indices: [0, 1] }, calls).nll]).toEqual([1.5, 4.5]);
    expect(calls.map((call) => call.adapter)).toEqual([true]);
  });

  it('batches a bounded number of tokens, a longer example alone', () => {
    const calls: { tokens: number[]; adapter: boolean }[] = [];
    const { targets } = score({ adapter: null, indices: [0, 1, 2, 3, 0] }, calls);
    expect(calls.map(({ tokens }) => tokens.length)).toEqual([1007, 2000, 3]);
    expect([...targets]).toEqual([2, 2, 999, 1999, 2]);
  });
});

describe('scoring adapters', () => {
  it('scores the same adapter on the same examples once, and counts its tokens once', async () => {
    const jobs: EvalJob[] = [];
    const pool = {
      evaluate: async (job: EvalJob) => {
        jobs.push(job);
        return { nll: Float64Array.of(1), targets: Int32Array.of(1), tokens: 10, seconds: 0 };
      },
    } as unknown as ClientPool;
    const [mine, yours] = [[0], [0]];
    const requests = [
      { key: 'base', adapter: null, indices: mine },
      { key: 'global', adapter, indices: mine },
      { key: 'personalized', adapter, indices: mine },
      { key: 'other', adapter, indices: yours },
    ];
    const { scored, tokens } = await scoreAdapters(pool, requests);
    expect(scored.map(({ key }) => key)).toEqual(['base', 'global', 'personalized', 'other']);
    expect(jobs).toHaveLength(3);
    expect(tokens).toBe(30);
  });
});
