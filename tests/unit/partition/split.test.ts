import { describe, expect, it } from 'vitest';
import type { Split } from '../../../src/data/types.js';
import { type SplitCandidate, splitCandidates } from '../../../src/partition/split.js';
import fc from '../../support/properties.js';

const PARAMS = { validFraction: 0.2, testFraction: 0.2, caps: { train: null, valid: null, test: null } };
const all = () => true;
const SPLITS: readonly Split[] = ['train', 'valid', 'test'];

describe('examples of the same content', () => {
  const candidates = fc.array(
    fc.record({
      content: fc.integer({ min: 1, max: 12 }),
      split: fc.constantFrom(undefined, undefined, 'train', 'valid', 'test'),
    }),
    { maxLength: 60 },
  );

  it('never lie on both sides of training and what is held out', () => {
    fc.assert(
      fc.property(candidates, (list) => {
        const given = list.map(
          ({ content, split }, index): SplitCandidate => ({ index, content, split: split as Split | undefined }),
        );
        const splits = new Set(given.flatMap(({ split }) => (split === 'valid' || split === 'test' ? [split] : [])));
        const result = splitCandidates(given, splits, all, PARAMS);
        const contents = (split: Split) => new Set(result[split].map((index) => list[index]!.content));
        for (const split of ['valid', 'test'] as const) {
          for (const content of contents(split)) expect(contents('train').has(content)).toBe(false);
        }
        const used = SPLITS.flatMap((split) => result[split]);
        expect(used.length + result.repeated).toBe(list.length);
        expect(new Set(used).size).toBe(used.length);
      }),
    );
  });

  it('without contents, or all of them different, nothing changes', () => {
    const plain = Array.from({ length: 50 }, (_, index) => ({ index }));
    const different = plain.map((candidate) => ({ ...candidate, content: candidate.index + 1 }));
    expect(splitCandidates(different, new Set(), all, PARAMS)).toEqual(splitCandidates(plain, new Set(), all, PARAMS));
  });
});

describe('data with validation but without a test', () => {
  it('has its test drawn', () => {
    const given = Array.from(
      { length: 50 },
      (_, index): SplitCandidate => ({ index, split: index < 10 ? 'valid' : 'train' }),
    );
    const { train, valid, test } = splitCandidates(given, new Set(['valid']), all, PARAMS);
    expect([train.length, valid.length, test.length]).toEqual([32, 10, 8]);
  });
});
