import { ConfigError } from '../errors.js';
import { byCode } from '../order.js';
import { gamma, randomStream, shuffled } from '../random.js';
import type { Partitioner, PartitionItem, PartitionParams } from './types.js';

const DEFAULT_CLIENTS = 8;
/** Redraws of a skewed partition that left a client with too little. */
const ATTEMPTS = 200;

/** `client-00`, `client-01`, ...: in the same order as text and as numbers. */
export function clientNames(count: number): string[] {
  const width = String(count - 1).length;
  return Array.from({ length: count }, (_, i) => `client-${String(i).padStart(width, '0')}`);
}

/** Parts as clients with names. */
export function toDivision(parts: readonly (readonly number[])[]): Map<string, readonly number[]> {
  const names = clientNames(parts.length);
  return new Map(parts.map((part, i) => [names[i]!, [...part].sort((a, b) => a - b)]));
}

/** How many clients are drawn. Throws ConfigError where the data is too small for them. */
export function countOf(items: readonly PartitionItem[], params: PartitionParams): number {
  const count = params.numClients ?? DEFAULT_CLIENTS;
  if (items.length < count * params.minExamples) {
    throw new ConfigError(
      `Expected at least ${count * params.minExamples} examples for ${count} clients of ${params.minExamples} or more, ` +
        `but the data has ${items.length}. Lower num_clients or min_examples.`,
    );
  }
  return count;
}

const indicesOf = (items: readonly PartitionItem[]): number[] => items.map((item) => item.index);

/** Cuts `items` at the shares, which sum to 1: every item goes to exactly one part. */
export function cutByShares<T>(items: readonly T[], shares: readonly number[]): T[][] {
  let sum = 0;
  let from = 0;
  return shares.map((share, i) => {
    sum += share;
    const to = i === shares.length - 1 ? items.length : Math.max(from, Math.round(sum * items.length));
    const part = items.slice(from, to);
    from = to;
    return part;
  });
}

function dirichletShares(count: number, alpha: number, random: () => number): number[] {
  const draws = Array.from({ length: count }, () => gamma(alpha, random));
  const sum = draws.reduce((a, b) => a + b, 0);
  return sum > 0 ? draws.map((draw) => draw / sum) : draws.map((_, i) => (i === 0 ? 1 : 0));
}

/** Equal parts of the shuffled data. */
export const iid: Partitioner = (items, params) => {
  const count = countOf(items, params);
  const order = shuffled(indicesOf(items), randomStream(params.seed, 'partition', 'iid'));
  return toDivision(cutByShares(order, new Array<number>(count).fill(1 / count)));
};

function redraw(name: string, params: PartitionParams, draw: (random: () => number) => number[][]) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const parts = draw(randomStream(params.seed, 'partition', name, attempt));
    if (parts.every((part) => part.length >= params.minExamples)) return toDivision(parts);
  }
  throw new ConfigError(
    `Expected every client of partition: ${name} to get at least ${params.minExamples} examples, but ${ATTEMPTS} draws ` +
      `left one with fewer. Raise ${name}_alpha, or lower num_clients or min_examples.`,
  );
}

function byCategory(items: readonly PartitionItem[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const item of items) {
    const name = item.category ?? '';
    const group = groups.get(name);
    if (group) group.push(item.index);
    else groups.set(name, [item.index]);
  }
  return [...groups].sort(([a], [b]) => byCode(a, b)).map(([, indices]) => indices);
}

/** Each category is dealt out in Dirichlet(alpha) shares (Hsu, Qi and Brown, arXiv 1909.06335, section 3.1). */
export const dirichlet: Partitioner = (items, params) => {
  const count = countOf(items, params);
  const groups = byCategory(items);
  return redraw('dirichlet', params, (random) => {
    const parts: number[][] = Array.from({ length: count }, () => []);
    for (const group of groups) {
      const cut = cutByShares(shuffled(group, random), dirichletShares(count, params.dirichletAlpha, random));
      cut.forEach((part, i) => {
        for (const index of part) parts[i]!.push(index);
      });
    }
    return parts;
  });
};

/** Examples sorted by category, cut into equal shards, `shardsPerClient` dealt to each (McMahan et al., arXiv 1602.05629). */
export const shards: Partitioner = (items, params) => {
  const count = countOf(items, params);
  const random = randomStream(params.seed, 'partition', 'shards');
  const sorted = byCategory(items).flatMap((group) => shuffled(group, random));
  const total = count * params.shardsPerClient;
  const dealt = shuffled(cutByShares(sorted, new Array<number>(total).fill(1 / total)), random);
  return toDivision(
    Array.from({ length: count }, (_, i) =>
      dealt.slice(i * params.shardsPerClient, (i + 1) * params.shardsPerClient).flat(),
    ),
  );
};

/** Clients alike in kind but of Dirichlet(alpha) sizes. */
export const quantity: Partitioner = (items, params) => {
  const count = countOf(items, params);
  return redraw('quantity', params, (random) =>
    cutByShares(shuffled(indicesOf(items), random), dirichletShares(count, params.quantityAlpha, random)),
  );
};
