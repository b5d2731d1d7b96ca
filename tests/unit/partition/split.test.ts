import { describe, expect, it } from 'vitest';
import type { Split } from '../../../src/data/types.js';
import {
  type SplitCandidate,
  type SplitParams,
  type SplitResult,
  splitCandidates,
} from '../../../src/partition/index.js';
import fc from '../../support/properties.js';

const NO_CAPS = { train: null, valid: null, test: null };
const PARAMS: SplitParams = { validFraction: 0.1, testFraction: 0.1, caps: NO_CAPS };
const EVEN: SplitParams = { ...PARAMS, validFraction: 0.2, testFraction: 0.2 };
const SPLITS: readonly Split[] = ['train', 'valid', 'test'];

const candidates = (count: number, splitOf: (index: number) => Split | undefined = () => undefined): SplitCandidate[] =>
  Array.from({ length: count }, (_, index) => ({ index, split: splitOf(index) }));

/** `data` gives these splits, for this owner or another one. */
function split(
  all: readonly SplitCandidate[],
  {
    params = {},
    given = [],
    fits = () => true,
  }: {
    readonly params?: Partial<SplitParams>;
    readonly given?: readonly Split[];
    readonly fits?: (index: number) => boolean;
  } = {},
): SplitResult {
  const told = all.map((candidate) => candidate.split).filter((name) => name !== undefined);
  return splitCandidates(all, new Set([...told, ...given]), fits, { ...PARAMS, ...params });
}

const sizes = ({ train, valid, test }: SplitResult) => [train.length, valid.length, test.length];

describe('every split', () => {
  const fraction = fc.double({ min: 0, max: 0.4, noNaN: true });
  const cap = fc.option(fc.integer({ min: 1, max: 20 }));
  const rows = fc.array(
    fc.record({ split: fc.constantFrom(undefined, 'train', 'valid', 'test'), fits: fc.boolean() }),
    {
      maxLength: 60,
    },
  );

  it('uses an example at most once, only those that fit, and without caps all of them', () => {
    fc.assert(
      fc.property(rows, fraction, fraction, (rows, validFraction, testFraction) => {
        const all = rows.map(({ split }, index): SplitCandidate => ({ index, split }));
        const fits = (index: number) => rows[index]!.fits;
        const params = { validFraction, testFraction };
        const result = split(all, { params, fits });
        const used = [...result.train, ...result.valid, ...result.test];
        expect(new Set(used).size).toBe(used.length);
        expect(used.every(fits)).toBe(true);
        expect(used.length + result.dropped).toBe(rows.length);
        expect(split(all, { params, fits })).toEqual(result);
        // Nothing that the data holds out is trained on.
        for (const index of result.train) expect([undefined, 'train']).toContain(rows[index]!.split);
      }),
    );
  });

  it('with caps is no larger than these, and of the same examples as without where it is not cut', () => {
    fc.assert(
      fc.property(rows, fc.record({ train: cap, valid: cap, test: cap }), (rows, caps) => {
        const all = rows.map(({ split }, index): SplitCandidate => ({ index, split }));
        const fits = (index: number) => rows[index]!.fits;
        const [capped, whole] = [split(all, { params: { caps }, fits }), split(all, { fits })];
        for (const name of SPLITS) {
          expect(capped[name]).toEqual(whole[name].slice(0, caps[name] ?? undefined));
        }
      }),
    );
  });
});

describe('splits', () => {
  it('are drawn at their shares', () => {
    expect(sizes(split(candidates(100)))).toEqual([80, 10, 10]);
    expect(sizes(split(candidates(100), { params: { validFraction: 0, testFraction: 0.25 } }))).toEqual([75, 0, 25]);
  });

  it('hold their shares whatever does not fit', () => {
    expect(sizes(split(candidates(200), { fits: (index) => index % 2 === 0 }))).toEqual([80, 10, 10]);
  });

  it('stop at their caps, and look at no more examples than needed', () => {
    const looked = new Set<number>();
    const fits = (index: number) => {
      looked.add(index);
      return true;
    };
    const caps = { train: 8, valid: 1, test: 2 };
    expect(sizes(split(candidates(5000), { params: { caps }, fits }))).toEqual([8, 1, 2]);
    expect(looked.size).toBeLessThan(60);
  });

  it('that the data gives are kept; validation is then drawn from training', () => {
    const given = candidates(40, (i) => (i < 10 ? 'test' : 'train'));
    const result = split(given);
    expect(result.test).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(sizes(result)).toEqual([27, 3, 10]);
  });

  it('that the data gives for other owners are not drawn for this one', () => {
    expect(sizes(split(candidates(40), { given: ['test', 'train'] }))).toEqual([36, 4, 0]);
    expect(sizes(split(candidates(40), { given: ['valid', 'test', 'train'] }))).toEqual([40, 0, 0]);
  });
});

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
        const result = splitCandidates(given, splits, () => true, EVEN);
        const contents = (split: Split) => new Set(result[split].map((index) => list[index]!.content));
        for (const split of ['valid', 'test'] as const) {
          for (const content of contents(split)) expect(contents('train').has(content)).toBe(false);
        }
        const used = SPLITS.flatMap((split) => result[split]);
        expect(used.length + result.repeated.length).toBe(list.length);
        expect(new Set(used).size).toBe(used.length);
      }),
    );
  });

  it('without contents, or all of them different, nothing changes', () => {
    const plain = Array.from({ length: 50 }, (_, index) => ({ index }));
    const different = plain.map((candidate) => ({ ...candidate, content: candidate.index + 1 }));
    expect(split(different)).toEqual(split(plain));
  });
});

describe('data with validation but without a test', () => {
  it('has its test drawn', () => {
    const given = Array.from(
      { length: 50 },
      (_, index): SplitCandidate => ({ index, split: index < 10 ? 'valid' : 'train' }),
    );
    const { train, valid, test } = splitCandidates(given, new Set(['valid']), () => true, EVEN);
    expect([train.length, valid.length, test.length]).toEqual([32, 10, 8]);
  });
});
