import { ConfigError } from '../errors.js';
import { byCode } from '../order.js';
import { checkOwnerIds } from './ownerIds.js';
import type { Division, Partitioner, PartitionItem } from './types.js';

function groupBy(
  items: readonly PartitionItem[],
  label: (item: PartitionItem) => string | undefined,
): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const item of items) {
    const name = label(item);
    if (name === undefined || name.trim() === '') continue;
    const group = groups.get(name);
    if (group) group.push(item.index);
    else groups.set(name, [item.index]);
  }
  return new Map([...groups].sort(([a], [b]) => byCode(a, b)));
}

function checkCount(groups: Division, numClients: number | null, what: string): Division {
  if (numClients === null || numClients === groups.size) return groups;
  throw new ConfigError(
    `Expected num_clients to be left out or ${groups.size}, the number of ${what} in the data, but received ${numClients}.`,
  );
}

/** One client for each owner that the data names. */
export const natural: Partitioner = (items, { numClients }) => {
  const groups = groupBy(items, (item) => item.owner);
  checkOwnerIds([...groups.keys()]);
  if (groups.size === 0) {
    throw new ConfigError(
      'Expected data with owners (a folder with one file or subfolder a client) for partition: natural, but it names none. ' +
        'Take partition: iid, category or dirichlet.',
    );
  }
  return checkCount(groups, numClients, 'owners');
};

/** One client for each category of the data. */
export const category: Partitioner = (items, { numClients }) => {
  const groups = groupBy(items, (item) => item.category);
  checkOwnerIds([...groups.keys()], 'category');
  if (groups.size === 0) {
    throw new ConfigError(
      'Expected data with a `category` for partition: category, but no row has one. Take partition: iid.',
    );
  }
  return checkCount(groups, numClients, 'categories');
};
