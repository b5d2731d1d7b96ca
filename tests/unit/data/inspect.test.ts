import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { DataInspector, jensenShannon } from '../../../src/data/inspect.js';
import { plain } from '../../../src/data/templates/builtin.js';
import type { Example } from '../../../src/data/types.js';
import fc from '../../support/properties.js';
import { charTokenizer } from './charTokenizer.js';

const example = (id: string, more: Partial<Example> = {}): Example => ({
  id,
  instruction: id,
  input: '',
  output: 'x',
  ...more,
});
function inspect(examples: readonly Example[]) {
  const inspector = new DataInspector();
  for (const one of examples) inspector.add(one);
  return inspector.finish({ tokenizer: charTokenizer(), template: plain, seqLength: 60, onLong: 'truncate' });
}

describe('an inspection', () => {
  it('counts owners, categories, splits and kinds', () => {
    const found = inspect([
      example('a', { owner: 'north', category: 'x' }),
      example('b', { owner: 'north', category: 'y', split: 'test' }),
      example('c', { owner: 'south', category: 'x' }),
      example('d', { text: 'raw' }),
    ]);
    expect(found.kinds).toEqual({ 'question and answer': 3, text: 1 });
    expect(found.owners).toEqual([
      { owner: '(no owner)', examples: 1, splits: { train: 1 }, categories: { '(no category)': 1 } },
      { owner: 'north', examples: 2, splits: { test: 1, train: 1 }, categories: { x: 1, y: 1 } },
      { owner: 'south', examples: 1, splits: { train: 1 }, categories: { x: 1 } },
    ]);
    expect(found.splits).toEqual({ test: 1, train: 3 });
  });

  it('finds duplicates within and across owners and splits', () => {
    const same = { instruction: 'q', output: 'a' };
    const { duplicates } = inspect([
      example('1', { ...same, owner: 'north' }),
      example('2', { ...same, instruction: ' q ', owner: 'north' }),
      example('3', { ...same, owner: 'south', split: 'test' }),
      example('4', { ...same, output: 'b', owner: 'south' }),
    ]);
    expect(duplicates).toEqual({
      withinOwners: 1,
      acrossOwners: 1,
      acrossSplits: 1,
      first: { withinOwners: '2', acrossOwners: '3', acrossSplits: '3' },
    });
  });

  it('counts as many duplicates as there are, however many examples', () => {
    const many = Array.from({ length: 20_000 }, (_, i) => example(`${i}`, { instruction: `q${i % 15_000}` }));
    expect(inspect(many).duplicates.withinOwners).toBe(5000);
  });

  it('keeps names of owners and categories, and not the text around them', () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const heap = () => {
      gc();
      return process.memoryUsage().heapUsed;
    };
    const inspector = new DataInspector();
    // As readers of CSV give them: parts of the piece of the file that was read.
    const piece = (i: number) => `${String.fromCharCode(97 + (i % 26)).repeat(1e6)}a name that is long enough ${i}`;
    const before = heap();
    for (let i = 0; i < 30; i++) {
      const name = piece(i).slice(1e6);
      inspector.add(example(`${i}`, i % 2 === 0 ? { owner: name } : { category: name }));
    }
    expect(heap() - before).toBeLessThan(5e6);
    expect(inspector.finish().owners).toHaveLength(16);
  });

  it('says how long examples are and what seq_length costs', () => {
    const { lengths, tokenized } = inspect([example('a'), example('b', { output: 'y'.repeat(200) })]);
    // 31 letters of prompt, the answer, and an end token.
    expect(lengths).toMatchObject({ examples: 2, median: 232, longest: 232 });
    expect(lengths!.histogram.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect(lengths!.histogram.find(({ count }) => count > 0)).toEqual({ from: 32, to: 64, count: 1 });
    expect(tokenized).toMatchObject({ tokenized: 2, cut: 1, targets: 203, targetsLost: 201 - 29 });
  });

  it('compares owners by category, or by words where there are none', () => {
    const of = (owner: string, category: string | undefined, instruction: string) =>
      example(`${owner}${instruction}`, { owner, instruction, ...(category === undefined ? {} : { category }) });
    const apart = inspect([of('a', 'x', 'one'), of('b', 'y', 'one'), of('c', 'x', 'one')]).divergence!;
    expect(apart).toMatchObject({ by: 'category', largest: 1, pair: ['a', 'b'] });
    expect(apart.mean).toBeCloseTo(2 / 3);
    expect(inspect([of('a', undefined, 'one two'), of('b', undefined, 'two one')]).divergence).toMatchObject({
      by: 'words',
      largest: 0,
    });
  });
});

describe('the Jensen-Shannon divergence', () => {
  const counts = fc.array(fc.nat(50), { minLength: 4, maxLength: 4 }).filter((list) => list.some((value) => value > 0));
  const entropy = (shares: readonly number[]) => shares.reduce((sum, p) => sum - (p > 0 ? p * Math.log2(p) : 0), 0);
  const shares = (list: readonly number[]) => list.map((value) => value / list.reduce((a, b) => a + b, 0));

  it('is the entropy of the mean less the mean of the entropies', () => {
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        const mean = shares(a).map((p, i) => (p + shares(b)[i]!) / 2);
        const expected = entropy(mean) - (entropy(shares(a)) + entropy(shares(b))) / 2;
        expect(jensenShannon(a, b)).toBeCloseTo(Math.max(0, expected), 10);
        expect(jensenShannon(b, a)).toBeCloseTo(jensenShannon(a, b), 12);
        expect(
          jensenShannon(
            a,
            a.map((value) => value * 3),
          ),
        ).toBeCloseTo(0, 12);
      }),
    );
  });
});
