import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Adapter } from '../../../src/adapter/layout.js';
import { scoreCandidates } from '../../../src/client/candidates.js';
import { packExamples } from '../../../src/client/examples.js';
import type { OpenOwner } from '../../../src/client/openOwner.js';
import { countTargets, countTokens, scoreExamples } from '../../../src/client/score.js';
import { digestOf, type KnownScores, type ScoreMemory, scoreMemory } from '../../../src/client/scoreMemory.js';
import { sumScores } from '../../../src/contracts/score.js';
import type { NativeTrainer, PackedBatch } from '../../../src/native/binding.js';
import { temporaryFolder } from '../../links/owners.js';

it('the sum over examples, token by token', () => {
  expect(sumScores(Float64Array.of(6, 3), Int32Array.of(3, 1))).toEqual({
    nll: 9,
    tokens: 4,
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
  const listOf = (indices: readonly number[]) => ({
    count: indices.length,
    example: (i: number) => examples[indices[i]!]!,
  });
  const score = (of: Adapter | null, indices: readonly number[], calls: Call[] = []) => [
    ...scoreExamples(of, listOf(indices), { trainer: () => tokenTrainer(calls) }, layout),
  ];

  it('sums target tokens by example; the first token of a sequence is none', () => {
    expect(score(null, [1, 0])).toEqual([9, 3]);
    expect([...countTargets(listOf([1, 0]))]).toEqual([2, 2]);
    expect(countTokens(listOf([1, 0]))).toBe(7);
  });

  it('scores the base or the adapter', () => {
    const calls: Call[] = [];
    expect(score(adapter, [0, 1], calls)).toEqual([1.5, 4.5]);
    expect(calls.map((call) => call.adapter)).toEqual([true]);
  });

  it('batches a bounded number of tokens, a longer example alone', () => {
    const calls: Call[] = [];
    score(null, [0, 1, 2, 3, 0], calls);
    expect(calls.map(({ tokens }) => tokens.length)).toEqual([1007, 2000, 3]);
    expect([...countTargets(listOf([0, 1, 2, 3, 0]))]).toEqual([2, 2, 999, 1999, 2]);
  });
});

/** A memory that is lost with the test. */
function memory(): ScoreMemory {
  const kept = new Map<string, KnownScores>();
  return { load: (split) => kept.get(split) ?? new Map(), save: (split, scores) => kept.set(split, scores) };
}

describe('scoring candidates', () => {
  const example = { id: 'a', tokens: Int32Array.of(9, 1, 2), lossMask: Uint8Array.of(0, 1, 1) };
  const openOwner = (calls: Call[]) =>
    ({
      setup: { layout, engine: { env: { trainer: () => tokenTrainer(calls) } } },
      examples: packExamples({ train: [], valid: [], test: [{ example, category: undefined }] }),
      scored: memory(),
    }) as unknown as OpenOwner;
  const withValue = (value: number): Adapter => ({ layout, values: Float32Array.of(value), mask: null });

  it('scores equal adapters on the same examples once; tokens count once for each that was asked for', () => {
    const calls: Call[] = [];
    const owner = openOwner(calls);
    const candidates = { base: null, local: { ...adapter }, global: adapter, personalized: adapter };
    const { sums, tokens } = scoreCandidates(owner, candidates, 'test');
    expect(sums).toEqual({
      base: { nll: 3, tokens: 2 },
      local: { nll: 1.5, tokens: 2 },
      global: { nll: 1.5, tokens: 2 },
      personalized: { nll: 1.5, tokens: 2 },
    });
    expect(calls.map((call) => call.adapter)).toEqual([false, true]);
    expect(tokens).toBe(9);
    expect(scoreCandidates(owner, candidates, 'valid')).toEqual({ sums: {}, perExample: {}, tokens: 0 });
  });

  it('computes what it has scored before no more, and says the same of it', () => {
    const calls: Call[] = [];
    const owner = openOwner(calls);
    const [first, second] = [withValue(1), withValue(2)];
    scoreCandidates(owner, { base: null }, 'test');
    const fresh = scoreCandidates(owner, { base: null, local: first, global: second }, 'test');
    expect(calls).toHaveLength(3);
    expect(scoreCandidates(owner, { base: null, local: first, global: second }, 'test')).toEqual(fresh);
    expect(calls).toHaveLength(3);
    // The base stays known, an adapter until others were scored.
    scoreCandidates(owner, { global: withValue(3) }, 'test');
    scoreCandidates(owner, { base: null, local: first }, 'test');
    expect(calls.map((call) => call.adapter)).toEqual([false, true, true, true, true]);
  });

  it('tells adapters of equal values apart by their layout', () => {
    const narrow = { modules: [{ module: 'a', rank: 1 }], size: 1 } as unknown as Adapter['layout'];
    expect(digestOf({ ...withValue(1), layout: narrow })).not.toBe(digestOf(withValue(1)));
    expect(digestOf(withValue(1))).toBe(digestOf({ ...withValue(1), mask: Uint8Array.of(1) }));
    expect(digestOf(withValue(1))).not.toBe(digestOf(withValue(2)));
  });
});

describe('a memory of scores', () => {
  const scores = new Map([['base', Float64Array.of(1 / 3, 0, 5e-324)]]);

  it('gives back the bits, of each split its own', () => {
    const path = join(temporaryFolder(), 'scored');
    scoreMemory(path, 'a').save('test', scores);
    scoreMemory(path, 'a').save('valid', new Map());
    expect(scoreMemory(path, 'a').load('test')).toEqual(scores);
    expect(scoreMemory(path, 'a').load('valid').size).toBe(0);
  });

  it('is empty where it is of something else, or damaged in any byte', () => {
    const path = join(temporaryFolder(), 'scored');
    expect(scoreMemory(path, 'a').load('test').size).toBe(0);
    scoreMemory(path, 'a').save('test', scores);
    expect(scoreMemory(path, 'b').load('test').size).toBe(0);
    const whole = readFileSync(path);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(whole);
        damaged[at]! ^= change;
        writeFileSync(path, damaged);
        expect(scoreMemory(path, 'a').load('test').size).toBe(0);
        writeFileSync(path, whole.subarray(0, at));
        expect(scoreMemory(path, 'a').load('test').size).toBe(0);
      }),
    );
  });

  it('that cannot be written is left out', () => {
    const path = join(temporaryFolder(), 'missing', 'scored');
    scoreMemory(path, 'a').save('test', scores);
    expect(scoreMemory(path, 'a').load('test').size).toBe(0);
  });
});
