import { ConfigError } from '../errors.js';
import { byCode } from '../order.js';
import { randomStream, shuffled } from '../random.js';
import { countOf, cutByShares, toDivision } from './drawn.js';
import type { Partitioner, PartitionItem } from './types.js';

/** Indices by category; examples without one belong to nobody. */
function byCategory(items: readonly PartitionItem[]): [string, number[]][] {
  const groups = new Map<string, number[]>();
  for (const { index, category } of items) {
    if (category === undefined || category.trim() === '') continue;
    const group = groups.get(category);
    if (group) group.push(index);
    else groups.set(category, [index]);
  }
  return [...groups].sort(([a], [b]) => byCode(a, b));
}

/** Places of the categories of each client: `each` different ones, every category given out as often as any other. */
function drawCategories(clients: number, categories: number, each: number, random: () => number): number[][] {
  const given = new Array<number>(categories).fill(0);
  return Array.from({ length: clients }, () => {
    // The least given out first, in a drawn order among equals.
    const order = shuffled([...given.keys()], random).sort((a, b) => given[a]! - given[b]!);
    const taken = order.slice(0, each);
    for (const place of taken) given[place]!++;
    return taken;
  });
}

/**
 * Each client has `categoriesPerClient` categories and no others; a category is shared evenly by those who have it (the
 * pathological split of McMahan et al., arXiv 1602.05629, by whole categories as in Zhao et al., arXiv 1806.00582).
 */
export const pathological: Partitioner = (items, params) => {
  const groups = byCategory(items);
  const each = params.categoriesPerClient;
  const count = countOf(items, params);
  if (groups.length < each) {
    throw new ConfigError(
      `Expected data with at least ${each} categories for partition: pathological but it has ${groups.length}. ` +
        'Lower categories_per_client, or map a column: `columns: {category: NAME}`.',
    );
  }
  if (count * each < groups.length) {
    throw new ConfigError(
      `Expected ${count} clients of ${each} categories to take all ${groups.length} categories of the data but they take ` +
        `${count * each}. Raise num_clients or categories_per_client.`,
    );
  }
  const random = randomStream(params.seed, 'partition', 'pathological');
  const drawn = drawCategories(count, groups.length, each, random);
  const parts: number[][] = drawn.map(() => []);
  for (const [place, [, indices]] of groups.entries()) {
    const takers = drawn.flatMap((places, client) => (places.includes(place) ? [client] : []));
    const cut = cutByShares(shuffled(indices, random), new Array<number>(takers.length).fill(1 / takers.length));
    for (const [i, part] of cut.entries()) for (const index of part) parts[takers[i]!]!.push(index);
  }
  return toDivision(parts);
};
