import { describe, expect, it } from 'vitest';
import type { Adapter } from '../../../src/adapter/layout.js';
import { scoreCandidates } from '../../../src/client/candidates.js';
import { packExamples } from '../../../src/client/examples.js';
import type { OpenOwner } from '../../../src/client/openOwner.js';
import { scoreExamples } from '../../../src/client/score.js';
import { sumScores } from '../../../src/contracts/score.js';
import type { NativeTrainer, PackedBatch } from '../../../src/native/binding.js';

it('the sum over examples, token by token', () => {
  expect(sumScores(Float64Array.of(6, 3), Int32Array.of(3, 1))).toEqual({ nll: 9, tokens: 4 });
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

describe('scoring candidates', () => {
  it('scores the same adapter on the same examples once, and counts its tokens once', () => {
    const calls: Call[] = [];
    const example = { id: 'a', tokens: Int32Array.of(9, 1, 2), lossMask: Uint8Array.of(0, 1, 1) };
    const owner = {
      setup: { layout, engine: { env: { trainer: () => tokenTrainer(calls) } } },
      examples: packExamples({ train: [], valid: [], test: [{ example, category: undefined }] }),
    } as unknown as OpenOwner;
    const other = { ...adapter };
    const candidates = { base: null, local: other, global: adapter, personalized: adapter };
    const { sums, tokens } = scoreCandidates(owner, candidates, 'test');
    expect(sums).toEqual({
      base: { nll: 3, tokens: 2 },
      local: { nll: 1.5, tokens: 2 },
      global: { nll: 1.5, tokens: 2 },
      personalized: { nll: 1.5, tokens: 2 },
    });
    expect(calls).toHaveLength(3);
    expect(tokens).toBe(9);
    expect(scoreCandidates(owner, candidates, 'valid')).toEqual({ sums: {}, perExample: {}, tokens: 0 });
  });
});
