import { describe, expect, it } from 'vitest';
import { exampleStream, microBatchesOf } from '../../../src/client/batches.js';
import type { TokenizedExample } from '../../../src/data/types.js';
import fc from '../../support/properties.js';

const example = (index: number): TokenizedExample => ({
  id: String(index),
  tokens: Int32Array.of(index, index),
  lossMask: Uint8Array.of(0, 1),
});
const stream = (indices: readonly number[], seed = 1, purpose = 'train/0') =>
  exampleStream({ count: indices.length, example: (i) => example(indices[i]!) }, seed, purpose);
const draw = (from: ReturnType<typeof stream>, count: number) => from.next(count).map(({ id }) => Number(id));

describe('a stream of examples', () => {
  it('gives every example once an epoch, in another order each time', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 20 }), fc.nat(), (indices, seed) => {
        const from = stream(indices, seed);
        const sorted = [...indices].sort((a, b) => a - b);
        for (let epoch = 0; epoch < 3; epoch++) {
          expect(draw(from, indices.length).sort((a, b) => a - b)).toEqual(sorted);
        }
      }),
    );
    const many = Array.from({ length: 30 }, (_, i) => i);
    const from = stream(many);
    expect(draw(from, 30)).not.toEqual(draw(from, 30));
  });

  it('does not depend on how many are taken at a time', () => {
    const indices = [3, 1, 4, 15, 9];
    const [whole, parts] = [stream(indices), stream(indices)];
    expect([...draw(parts, 2), ...draw(parts, 7), ...draw(parts, 4)]).toEqual(draw(whole, 13));
  });

  it('follows seed and purpose', () => {
    const indices = Array.from({ length: 30 }, (_, i) => i);
    const order = draw(stream(indices), 30);
    expect(draw(stream(indices), 30)).toEqual(order);
    expect(draw(stream(indices, 2), 30)).not.toEqual(order);
    expect(draw(stream(indices, 1, 'main/search/warmup'), 30)).not.toEqual(order);
  });
});

describe('micro-batches', () => {
  it('cut in order, the last one smaller', () => {
    const batches = microBatchesOf([1, 2, 3, 4, 5].map(example), 2);
    expect(batches.map(({ lengths }) => lengths.length)).toEqual([2, 2, 1]);
    expect(batches.flatMap(({ tokens }) => [...tokens])).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    expect(microBatchesOf([], 2)).toEqual([]);
  });
});
