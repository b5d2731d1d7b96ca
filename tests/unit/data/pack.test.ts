import { describe, expect, it } from 'vitest';
import { microBatches, packBatch } from '../../../src/data/pack.js';
import type { TokenizedExample } from '../../../src/data/types.js';
import fc from '../../support/properties.js';

const example = (id: string, ...tokens: number[]): TokenizedExample => ({
  id,
  tokens: Int32Array.from(tokens),
  lossMask: new Uint8Array(tokens.length).fill(1),
});

const examples = fc.array(
  fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 }).map((tokens) => example('x', ...tokens)),
  { maxLength: 20 },
);

describe('packing', () => {
  it('puts sequences one after the other; the first token of each is no target', () => {
    const batch = packBatch([example('a', 5, 6, 7), example('b', 8), example('c', 9, 10)]);
    expect([...batch.tokens]).toEqual([5, 6, 7, 8, 9, 10]);
    expect([...batch.lengths]).toEqual([3, 1, 2]);
    expect([...batch.lossMask]).toEqual([0, 1, 1, 0, 0, 1]);
  });

  it('does not touch what it packs', () => {
    const one = example('a', 1, 2);
    packBatch([one]);
    expect([...one.lossMask]).toEqual([1, 1]);
  });

  it('into micro-batches loses nothing, keeps the order and the bound', () => {
    fc.assert(
      fc.property(examples, fc.integer({ min: 1, max: 30 }), (list, maxTokens) => {
        const batches = microBatches(list, maxTokens);
        expect(batches.flatMap(({ tokens }) => [...tokens])).toEqual(list.flatMap(({ tokens }) => [...tokens]));
        expect(batches.flatMap(({ lengths }) => [...lengths])).toEqual(list.map(({ tokens }) => tokens.length));
        for (const { tokens, lengths } of batches)
          expect(tokens.length <= maxTokens || lengths.length === 1).toBe(true);
      }),
    );
  });
});
