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

/** One client for each value of a label; `missing` says what to do where no example has one. */
function oneEach(
  label: (item: PartitionItem) => string | undefined,
  names: { readonly one: string; readonly many: string; readonly missing: string },
): Partitioner {
  return (items, { numClients }) => {
    const groups = groupBy(items, label);
    if (groups.size === 0) throw new ConfigError(names.missing);
    checkOwnerIds([...groups.keys()], names.one);
    return checkCount(groups, numClients, names.many);
  };
}

/** One client for each owner that the data names. */
export const natural = oneEach((item) => item.owner, {
  one: 'owner',
  many: 'owners',
  missing:
    'Expected data with owners (a folder with one file or subfolder a client, or `columns: {owner: NAME}`) for partition: ' +
    'natural, but it names none. Take partition: iid, category or dirichlet.',
});

/** One client for each category of the data. */
export const category = oneEach((item) => item.category, {
  one: 'category',
  many: 'categories',
  missing:
    'Expected data with a `category` (or `columns: {category: NAME}`) for partition: category, but no row has one. ' +
    'Take partition: iid.',
});

/** One client for each value of the column that `partition_column` names. */
export const column = oneEach((item) => item.label, {
  one: 'value of partition_column',
  many: 'values of partition_column',
  missing: 'Expected rows with a value in the column that partition_column names, but none has one.',
});

/** One client for each of several data sets. */
export const domain = oneEach((item) => item.domain, {
  one: 'data set',
  many: 'data sets',
  missing: 'Expected several data sets, `data: [a, b]`, for partition: domain, but there is one.',
});
