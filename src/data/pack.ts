import type { PackedBatch } from '../native/binding.js';
import type { TokenizedExample } from './types.js';

/** Joins examples to one batch of sequences that do not see each other. The first token of each never is a target. */
export function packBatch(examples: readonly TokenizedExample[]): PackedBatch {
  const lengths = Int32Array.from(examples, ({ tokens }) => tokens.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const tokens = new Int32Array(total);
  const lossMask = new Uint8Array(total);
  let offset = 0;
  for (const example of examples) {
    tokens.set(example.tokens, offset);
    lossMask.set(example.lossMask, offset);
    if (example.tokens.length > 0) lossMask[offset] = 0;
    offset += example.tokens.length;
  }
  return { tokens, lossMask, lengths };
}

/**
 * Cuts a batch into micro-batches of at most `maxTokens` tokens, in order; an example that is longer by itself gets one
 * of its own.
 */
export function microBatches(examples: readonly TokenizedExample[], maxTokens: number): PackedBatch[] {
  const groups: TokenizedExample[][] = [];
  let room = 0;
  for (const example of examples) {
    if (groups.length === 0 || example.tokens.length > room) {
      groups.push([]);
      room = maxTokens;
    }
    groups.at(-1)!.push(example);
    room -= example.tokens.length;
  }
  return groups.map(packBatch);
}
