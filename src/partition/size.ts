import { ConfigError } from '../errors.js';
import { randomStream, shuffled } from '../random.js';
import { toDivision } from './drawn.js';
import type { Partitioner } from './types.js';

/** Numbers of examples, from a list of such numbers or (all below 1) of shares of the data. */
function countsOf(sizes: readonly number[], total: number): number[] {
  if (sizes.every((size) => size < 1)) {
    const sum = sizes.reduce((a, b) => a + b, 0);
    if (sum > 1 + 1e-9)
      throw new ConfigError(`Expected the shares of client_sizes to sum to 1 at most but they sum to ${sum}.`);
    let before = 0;
    return sizes.map((size) => {
      const from = Math.round(before * total);
      before += size;
      return Math.round(before * total) - from;
    });
  }
  const broken = sizes.find((size) => !Number.isInteger(size));
  if (broken !== undefined) {
    throw new ConfigError(
      `Expected client_sizes to be numbers of examples, or shares that are all below 1, but received ${broken} among others.`,
    );
  }
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (sum <= total) return [...sizes];
  throw new ConfigError(
    `Expected client_sizes to take ${total} examples at most, which the data has, but they take ${sum}.`,
  );
}

/** Clients alike in kind, of the sizes that `client_sizes` lists; what is left over belongs to nobody. */
export const size: Partitioner = (items, { clientSizes, numClients, seed }) => {
  if (clientSizes === null) {
    throw new ConfigError('Expected client_sizes, a list of numbers of examples or of shares, for partition: size.');
  }
  if (numClients !== null && numClients !== clientSizes.length) {
    throw new ConfigError(
      `Expected num_clients to be left out or ${clientSizes.length}, the length of client_sizes, but received ${numClients}.`,
    );
  }
  const order = shuffled(
    items.map(({ index }) => index),
    randomStream(seed, 'partition', 'size'),
  );
  let from = 0;
  const parts = countsOf(clientSizes, items.length).map((count) => {
    from += count;
    return order.slice(from - count, from);
  });
  return toDivision(parts);
};
