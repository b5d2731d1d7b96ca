import { packBatch } from '../data/pack.js';
import type { TokenizedExample } from '../data/types.js';
import type { PackedBatch } from '../native/binding.js';
import { randomStream, shuffled } from '../random.js';
import type { ExampleList } from './examples.js';

/** Draws a client's examples for one purpose: every example once in a shuffled order, then all again in another one. */
export interface ExampleStream {
  next(count: number): TokenizedExample[];
}

/**
 * Seeded order over the examples, epoch after epoch, without replacement inside an epoch. Equal seed and purpose give the
 * same order.
 */
export function exampleStream(examples: ExampleList, seed: number, purpose: string): ExampleStream {
  const random = randomStream(seed, 'order', purpose);
  const indices = Array.from({ length: examples.count }, (_, i) => i);
  let order: number[] = [];
  const draw = (): TokenizedExample => {
    if (order.length === 0) order = shuffled(indices, random).reverse();
    return examples.example(order.pop()!);
  };
  return { next: (count) => Array.from({ length: count }, draw) };
}

/** Micro-batches of `batchSize` examples; the last may be smaller. */
export function microBatchesOf(examples: readonly TokenizedExample[], batchSize: number): PackedBatch[] {
  const batches: PackedBatch[] = [];
  for (let start = 0; start < examples.length; start += batchSize) {
    batches.push(packBatch(examples.slice(start, start + batchSize)));
  }
  return batches;
}
