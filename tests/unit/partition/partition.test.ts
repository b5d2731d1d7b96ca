import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import type { Example } from '../../../src/data/types.js';
import { type Dealing, dealExamples } from '../../../src/partition/index.js';
import fc from '../../support/properties.js';

const KINDS = ['natural', 'iid', 'category', 'dirichlet', 'shards', 'quantity'] as const;
const DRAWN = ['iid', 'dirichlet', 'shards', 'quantity'] as const;

/** Examples of `owners` x `categories`, `each` of every pair, the pairs mixed. */
function makeExamples(owners: number, categories: number, each: number): Example[] {
  return Array.from({ length: owners * categories * each }, (_, i) => ({
    id: `x:${i + 1}`,
    instruction: `i${i}`,
    input: '',
    output: `o${i}`,
    owner: `owner-${i % owners}`,
    category: `c${Math.floor(i / owners) % categories}`,
  }));
}

const divide = (examples: readonly Example[], settings: object): Dealing =>
  dealExamples(examples, parseConfig(settings));

const indicesOf = ({ owners }: Dealing) => owners.flatMap(({ indices }) => indices);
const sizesOf = ({ owners }: Dealing) => owners.map(({ indices }) => indices.length);
const idsOf = ({ owners }: Dealing) => owners.map(({ id }) => id);

const federations = fc.record({
  partition: fc.constantFrom(...KINDS),
  owners: fc.integer({ min: 2, max: 5 }),
  categories: fc.integer({ min: 2, max: 4 }),
  each: fc.integer({ min: 6, max: 12 }),
  seed: fc.nat(),
});

describe('every partition', () => {
  it('gives every example to one owner, the owners in the order of their ids', () => {
    fc.assert(
      fc.property(federations, ({ partition, owners, categories, each, seed }) => {
        const examples = makeExamples(owners, categories, each);
        const clients = (DRAWN as readonly string[]).includes(partition) ? { num_clients: 3 } : {};
        const settings = { partition, seed, dirichlet_alpha: 100, quantity_alpha: 100, ...clients };
        const result = divide(examples, settings);
        expect([...indicesOf(result)].sort((a, b) => a - b)).toEqual(examples.map((_, index) => index));
        expect(result.numUnlabelled).toBe(0);
        const ids = idsOf(result);
        expect(ids).toEqual([...new Set(ids)].sort());
        expect(divide(examples, settings)).toEqual(result);
      }),
    );
  });

  it.each(DRAWN)('%s: another seed, another division', (partition) => {
    const examples = makeExamples(4, 4, 10);
    const at = (seed: number) =>
      divide(examples, { partition, seed, num_clients: 4, dirichlet_alpha: 5, quantity_alpha: 5 });
    expect(at(1)).toEqual(at(1));
    expect(at(1)).not.toEqual(at(2));
  });

  it.each(DRAWN)('%s: refuses more clients than the data is enough for', (partition) => {
    expect(() => divide(makeExamples(2, 2, 2), { partition, num_clients: 5 })).toThrow(
      expect.objectContaining({ name: 'ConfigError', message: expect.stringContaining('num_clients') }),
    );
  });
});

describe('iid', () => {
  it('gives equal parts, 8 unless told otherwise', () => {
    expect(sizesOf(divide(makeExamples(4, 4, 5), { partition: 'iid' }))).toEqual(new Array(8).fill(10));
    const ten = divide(makeExamples(4, 4, 5), { partition: 'iid', num_clients: 10 });
    expect(idsOf(ten).slice(0, 2)).toEqual(['client-0', 'client-1']);
  });
});

describe('natural and category', () => {
  it('one client an owner, one a category', () => {
    const examples = makeExamples(3, 4, 6);
    const natural = divide(examples, { partition: 'natural' });
    expect(idsOf(natural)).toEqual(['owner-0', 'owner-1', 'owner-2']);
    for (const { id, indices } of natural.owners) for (const index of indices) expect(examples[index]!.owner).toBe(id);
    const category = divide(examples, { partition: 'category' });
    expect(idsOf(category)).toEqual(['c0', 'c1', 'c2', 'c3']);
    for (const { id, indices } of category.owners)
      for (const index of indices) expect(examples[index]!.category).toBe(id);
  });

  it('leave out what belongs to nobody', () => {
    const { owner: _, ...orphan } = makeExamples(1, 1, 1)[0]!;
    const partition = divide([...makeExamples(2, 1, 6), orphan], { partition: 'natural' });
    expect(sizesOf(partition)).toEqual([6, 6]);
  });

  it.each([
    ['natural', { num_clients: 4 }, 'num_clients to be left out or 3'],
    ['category', { num_clients: 4 }, 'num_clients to be left out or 2'],
  ])('%s: another number of clients is refused', (partition, settings, text) => {
    expect(() => divide(makeExamples(3, 2, 6), { partition, ...settings })).toThrow(text);
  });

  it.each([
    ['natural', 'names none'],
    ['category', 'no row has one'],
  ])('%s: data that does not say is refused', (partition, text) => {
    const bare = makeExamples(2, 2, 6).map(({ owner: _o, category: _c, ...rest }) => rest);
    expect(() => divide(bare, { partition })).toThrow(text);
  });
});

describe('skew', () => {
  /** Share of an owner's examples that are of its main category, the mean over owners. */
  const purity = (examples: readonly Example[], { owners }: Dealing): number => {
    const shares = owners.map(({ indices }) => {
      const counts = new Map<string, number>();
      for (const index of indices)
        counts.set(examples[index]!.category!, (counts.get(examples[index]!.category!) ?? 0) + 1);
      return Math.max(...counts.values()) / indices.length;
    });
    return shares.reduce((sum, share) => sum + share, 0) / shares.length;
  };
  const examples = makeExamples(1, 8, 100);

  it('dirichlet: the smaller alpha, the fewer categories a client has', () => {
    const at = (dirichlet_alpha: number) =>
      purity(examples, divide(examples, { partition: 'dirichlet', num_clients: 8, dirichlet_alpha }));
    expect(at(0.1)).toBeGreaterThan(at(1) + 0.1);
    expect(at(1)).toBeGreaterThan(at(1000) + 0.1);
    // Each of eight categories an eighth, as far as whole examples can be.
    expect(at(1000)).toBeLessThan(0.2);
  });

  it('shards: a client sees about as many categories as it has shards', () => {
    const partition = divide(examples, { partition: 'shards', num_clients: 8, shards_per_client: 2 });
    for (const { indices } of partition.owners) {
      expect(new Set(indices.map((index) => examples[index]!.category)).size).toBeLessThanOrEqual(2);
    }
    expect(new Set(sizesOf(partition))).toEqual(new Set([100]));
  });

  it('quantity: the smaller alpha, the less equal the sizes', () => {
    const spread = (quantity_alpha: number) => {
      const sizes = sizesOf(divide(examples, { partition: 'quantity', num_clients: 8, quantity_alpha }));
      return Math.max(...sizes) / Math.min(...sizes);
    };
    expect(spread(1)).toBeGreaterThan(3);
    expect(spread(10_000)).toBeLessThan(1.2);
  });

  it('that leaves a client with too little is drawn anew, and refused where no draw helps', () => {
    const few = makeExamples(1, 2, 20);
    expect(
      Math.min(
        ...sizesOf(divide(few, { partition: 'quantity', num_clients: 4, quantity_alpha: 0.5, min_examples: 4 })),
      ),
    ).toBeGreaterThanOrEqual(4);
    expect(() => divide(few, { partition: 'quantity', num_clients: 8, quantity_alpha: 1e-3, min_examples: 5 })).toThrow(
      expect.objectContaining({ message: expect.stringContaining('Raise quantity_alpha') }),
    );
  });
});

describe('splits that the data gives', () => {
  it('are told for all owners, whoever has such rows', () => {
    const examples = makeExamples(2, 1, 6);
    expect(divide(examples, {}).givenSplits).toEqual([]);
    const some = examples.map((example, i): Example => ({ ...example, split: i === 0 ? 'test' : 'train' }));
    expect(divide(some, {}).givenSplits).toEqual(['test']);
    const both = some.map((example, i): Example => (i === 1 ? { ...example, split: 'valid' } : example));
    expect(divide(both, {}).givenSplits).toEqual(['valid', 'test']);
  });
});
