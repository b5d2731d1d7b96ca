import type { Adapter, AdapterLayout } from '../adapter/layout.js';
import { packBatch } from '../data/pack.js';
import type { TokenizedExample } from '../data/types.js';
import type { ClientEnv } from './env.js';
import type { ExampleList } from './examples.js';

/** One entry an example, in order. */
export interface ExampleScores {
  /** Sum of the NLL over the example's target tokens, in nats. */
  readonly nll: Float64Array;
  /** Target tokens of the example. */
  readonly targets: Int32Array;
}

/** Tokens scored in one call, unless one example alone has more; bounds the memory of an evaluation. */
const MAX_BATCH_TOKENS = 1024;

/** Examples in order, in groups that are scored in one call, each with the index of its first. */
export function* batches(examples: ExampleList): Generator<[number, TokenizedExample[]]> {
  let first = 0;
  let group: TokenizedExample[] = [];
  let tokens = 0;
  for (let i = 0; i < examples.count; i++) {
    const example = examples.example(i);
    if (group.length > 0 && tokens + example.tokens.length > MAX_BATCH_TOKENS) {
      yield [first, group];
      first = i;
      group = [];
      tokens = 0;
    }
    group.push(example);
    tokens += example.tokens.length;
  }
  if (group.length > 0) yield [first, group];
}

/** The sum of the NLL over the target tokens of each example of a group, from that of each token of it. */
export function sumsOf(group: readonly TokenizedExample[], nll: Float32Array): number[] {
  let at = 0;
  return group.map(({ tokens, lossMask }) => {
    let sum = 0;
    for (let t = 1; t < tokens.length; t++) if (lossMask[t] === 1) sum += nll[at + t]!;
    at += tokens.length;
    return sum;
  });
}

/** Target tokens of each example; the first of a sequence is none. */
export function countTargets(examples: ExampleList): Int32Array {
  return Int32Array.from({ length: examples.count }, (_, i) => {
    const { lossMask } = examples.example(i);
    return lossMask.subarray(1).reduce((sum, bit) => sum + bit, 0);
  });
}

/** Tokens of all examples. */
export function countTokens(examples: ExampleList): number {
  let tokens = 0;
  for (let i = 0; i < examples.count; i++) tokens += examples.example(i).tokens.length;
  return tokens;
}

/**
 * Scores an adapter (null: the bare base) on each example token by token, batched in a fixed way: the sum of the NLL over the
 * target tokens of each, in nats. `baseLayout` is the layout of the trainer that scores the bare base.
 */
export function scoreExamples(
  adapter: Adapter | null,
  examples: ExampleList,
  env: ClientEnv,
  baseLayout: AdapterLayout,
): Float64Array {
  const trainer = env.trainer(adapter?.layout ?? baseLayout);
  if (adapter) trainer.setValues(adapter.values);
  const nll = new Float64Array(examples.count);
  for (const [first, group] of batches(examples)) {
    const scored = trainer.evaluate(packBatch(group), { adapter: adapter !== null, all: false });
    nll.set(sumsOf(group, scored.nll), first);
  }
  return nll;
}
