import type { TokenizedExample } from '../data/types.js';

/** Tokenised examples in memory that all worker threads share; structured clone copies the handles, not the tokens. */
export interface SharedExamples {
  readonly tokens: Int32Array;
  readonly lossMask: Uint8Array;
  /** Example i is tokens[offsets[i]] up to tokens[offsets[i + 1]]. */
  readonly offsets: Int32Array;
  readonly ids: readonly string[];
}

/** Copies the examples into shared memory, in order. */
export function shareExamples(examples: readonly TokenizedExample[]): SharedExamples {
  const total = examples.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const tokens = new Int32Array(new SharedArrayBuffer(total * 4));
  const lossMask = new Uint8Array(new SharedArrayBuffer(total));
  const offsets = new Int32Array(new SharedArrayBuffer((examples.length + 1) * 4));
  examples.forEach((example, i) => {
    const at = offsets[i]!;
    tokens.set(example.tokens, at);
    lossMask.set(example.lossMask, at);
    offsets[i + 1] = at + example.tokens.length;
  });
  return { tokens, lossMask, offsets, ids: examples.map(({ id }) => id) };
}

/** Views of one example. Throws RangeError for an index that does not exist. */
export function sharedExample(shared: SharedExamples, index: number): TokenizedExample {
  const id = shared.ids[index];
  if (id === undefined) {
    throw new RangeError(`Expected the index of one of ${shared.ids.length} examples but received ${index}.`);
  }
  const from = shared.offsets[index]!;
  const to = shared.offsets[index + 1]!;
  return { id, tokens: shared.tokens.subarray(from, to), lossMask: shared.lossMask.subarray(from, to) };
}
