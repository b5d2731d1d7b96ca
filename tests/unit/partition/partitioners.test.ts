import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { PARTITIONERS, type PartitionItem, type PartitionParams } from '../../../src/partition/index.js';
import fc from '../../support/properties.js';

const PARAMS: PartitionParams = {
  numClients: null,
  dirichletAlpha: 0.5,
  shardsPerClient: 2,
  quantityAlpha: 1,
  categoriesPerClient: 2,
  clientSizes: null,
  minExamples: 1,
  seed: 1,
};
const items = (count: number, categories: number): PartitionItem[] =>
  Array.from({ length: count }, (_, index) => ({ index, category: `c${index % categories}` }));
const divide = (kind: keyof typeof PARTITIONERS, list: readonly PartitionItem[], params: Partial<PartitionParams>) =>
  PARTITIONERS[kind](list, { ...PARAMS, ...params });

describe('pathological', () => {
  const cases = fc
    .record({
      clients: fc.integer({ min: 1, max: 12 }),
      categories: fc.integer({ min: 1, max: 8 }),
      each: fc.integer({ min: 1, max: 4 }),
      seed: fc.nat(),
    })
    .filter(({ clients, categories, each }) => each <= categories && clients * each >= categories);

  it('gives each client that many categories, each category evenly to those who have it, and every example to one', () => {
    fc.assert(
      fc.property(cases, ({ clients, categories, each, seed }) => {
        const list = items(categories * clients * 6, categories);
        const params = { numClients: clients, categoriesPerClient: each, seed };
        const division = divide('pathological', list, params);
        expect(division.size).toBe(clients);
        const all = [...division.values()].flat();
        expect([...all].sort((a, b) => a - b)).toEqual(list.map(({ index }) => index));
        const counts = [...division.values()].map((indices) => {
          const of = new Map<string, number>();
          for (const index of indices) of.set(list[index]!.category!, (of.get(list[index]!.category!) ?? 0) + 1);
          expect(of.size).toBe(each);
          return of;
        });
        for (let c = 0; c < categories; c++) {
          const shares = counts.flatMap((of) => of.get(`c${c}`) ?? []);
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        }
        // No category has two takers more than another.
        const takers = Array.from({ length: categories }, (_, c) => counts.filter((of) => of.has(`c${c}`)).length);
        expect(Math.max(...takers) - Math.min(...takers)).toBeLessThanOrEqual(1);
        expect(divide('pathological', list, params)).toEqual(division);
      }),
    );
  });

  it('leaves out examples without a category, and refuses what cannot be', () => {
    const list = [...items(40, 4), { index: 40 }, { index: 41, category: ' ' }];
    expect([...divide('pathological', list, { numClients: 4 }).values()].flat()).toHaveLength(40);
    expect(() => divide('pathological', items(40, 4), { numClients: 4, categoriesPerClient: 5 })).toThrow(
      'at least 5 categories',
    );
    expect(() => divide('pathological', items(40, 4), { numClients: 1 })).toThrow('all 4 categories');
    expect(() => divide('pathological', items(4, 2), { numClients: 4, minExamples: 2 })).toThrow(
      'num_clients or min_examples',
    );
  });
});

describe('size', () => {
  const sizes = (clientSizes: readonly number[], count = 100, more: Partial<PartitionParams> = {}) =>
    [...divide('size', items(count, 3), { clientSizes, ...more }).values()].map((indices) => indices.length);

  it('takes numbers of examples, or shares', () => {
    expect(sizes([50, 30, 5])).toEqual([50, 30, 5]);
    expect(sizes([0.5, 0.25, 0.25])).toEqual([50, 25, 25]);
    expect(sizes([1 / 3, 1 / 3, 1 / 3], 10)).toEqual([3, 4, 3]);
    expect(sizes([0.1, 0.2])).toEqual([10, 20]);
  });

  it('gives no example to two clients, and is drawn', () => {
    const at = (seed: number) => divide('size', items(100, 3), { clientSizes: [60, 40], seed });
    expect(new Set([...at(1).values()].flat()).size).toBe(100);
    expect(at(1)).toEqual(at(1));
    expect(at(1)).not.toEqual(at(2));
  });

  it('refuses what does not fit', () => {
    expect(() => sizes([60, 60])).toThrow('they take 120');
    expect(() => sizes([0.6, 0.6])).toThrow('sum to 1');
    expect(() => sizes([10, 0.5])).toThrow('0.5 among others');
    expect(() => sizes([10, 20], 100, { numClients: 3 })).toThrow('2, the length of client_sizes');
    expect(() => parseConfig({ partition: 'size' })).toThrow('client_sizes');
  });
});

describe('column and domain', () => {
  const list: PartitionItem[] = [
    { index: 0, label: 'de', domain: 'law' },
    { index: 1, label: 'en', domain: 'law' },
    { index: 2, label: 'de', domain: 'code' },
    { index: 3, domain: 'code' },
  ];

  it('make a client of each value', () => {
    expect([...divide('column', list, {})]).toEqual([
      ['de', [0, 2]],
      ['en', [1]],
    ]);
    expect([...divide('domain', list, {})]).toEqual([
      ['code', [2, 3]],
      ['law', [0, 1]],
    ]);
  });

  it('refuse data that does not say, and names that nobody can have', () => {
    expect(() => divide('column', [{ index: 0 }], {})).toThrow('partition_column');
    expect(() => divide('domain', [{ index: 0 }], {})).toThrow('several data sets');
    expect(() => divide('column', [{ index: 0, label: '*' }], {})).toThrow(
      expect.objectContaining({ code: 'BAD_OWNER_ID' }),
    );
    expect(() => parseConfig({ partition: 'column' })).toThrow('partition_column');
    expect(() => parseConfig({ partition: 'domain' })).toThrow('data: [a, b]');
  });
});
