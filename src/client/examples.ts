import { createHash } from 'node:crypto';
import type { SplitCounts } from '../contracts/messages.js';
import { SPLITS, type Split, type TokenizedExample } from '../data/types.js';

/** Examples one by one, so that none is an object before it is needed. */
export interface ExampleList {
  readonly count: number;
  example(index: number): TokenizedExample;
}

/** The examples of one owner that are in use, as they lie in memory and on disk: training, validation, test, one after the other. */
export interface OwnerExamples {
  readonly ids: readonly string[];
  readonly categories: readonly (string | null)[];
  readonly tokens: Int32Array;
  /** One byte a token: 1 where it is a target. */
  readonly lossMask: Uint8Array;
  /** Example i is tokens[offsets[i]] up to tokens[offsets[i + 1]]. */
  readonly offsets: Int32Array;
  readonly counts: Readonly<Record<Split, SplitCounts>>;
}

/** A tokenised example with the category of its row. */
export interface LabelledExample {
  readonly example: TokenizedExample;
  readonly category: string | undefined;
}

function countsOf(examples: readonly LabelledExample[]): SplitCounts {
  let tokens = 0;
  let targets = 0;
  for (const { example } of examples) {
    tokens += example.tokens.length;
    for (const bit of example.lossMask) targets += bit;
  }
  return { examples: examples.length, tokens, targets };
}

/** Puts tokenised examples one after the other. */
export function packExamples(bySplit: Readonly<Record<Split, readonly LabelledExample[]>>): OwnerExamples {
  const all = SPLITS.flatMap((split) => bySplit[split]);
  const total = all.reduce((sum, { example }) => sum + example.tokens.length, 0);
  const tokens = new Int32Array(total);
  const lossMask = new Uint8Array(total);
  const offsets = new Int32Array(all.length + 1);
  all.forEach(({ example }, i) => {
    tokens.set(example.tokens, offsets[i]!);
    lossMask.set(example.lossMask, offsets[i]!);
    offsets[i + 1] = offsets[i]! + example.tokens.length;
  });
  return {
    ids: all.map(({ example }) => example.id),
    categories: all.map(({ category }) => category ?? null),
    tokens,
    lossMask,
    offsets,
    counts: { train: countsOf(bySplit.train), valid: countsOf(bySplit.valid), test: countsOf(bySplit.test) },
  };
}

const firstOf = ({ counts }: OwnerExamples, split: Split): number =>
  SPLITS.slice(0, SPLITS.indexOf(split)).reduce((sum, before) => sum + counts[before].examples, 0);

/** The examples of one split as views. */
export function examplesOf(examples: OwnerExamples, split: Split): ExampleList & { place(index: number): number } {
  const { ids, tokens, lossMask, offsets, counts } = examples;
  const first = firstOf(examples, split);
  return {
    count: counts[split].examples,
    /** Index among all examples of the owner. */
    place: (index) => first + index,
    example: (index) => {
      const [from, to] = [offsets[first + index]!, offsets[first + index + 1]!];
      return { id: ids[first + index]!, tokens: tokens.subarray(from, to), lossMask: lossMask.subarray(from, to) };
    },
  };
}

/** Several lists one after the other. */
export function concatLists(lists: readonly ExampleList[]): ExampleList {
  const starts = [0];
  for (const { count } of lists) starts.push(starts.at(-1)! + count);
  return {
    count: starts.at(-1)!,
    example: (index) => {
      const list = starts.findLastIndex((start, i) => start <= index && i < lists.length);
      return lists[list]!.example(index - starts[list]!);
    },
  };
}

/** sha256 over ids, tokens and masks of all examples: equal data gives an equal hash. */
export function hashExamples({ ids, tokens, lossMask, offsets }: OwnerExamples): string {
  const hash = createHash('sha256');
  ids.forEach((id, i) => {
    const [from, to] = [offsets[i]!, offsets[i + 1]!];
    hash.update(JSON.stringify([id, to - from]));
    hash.update(new Uint8Array(tokens.buffer, tokens.byteOffset + 4 * from, 4 * (to - from)));
    hash.update(lossMask.subarray(from, to));
  });
  return hash.digest('hex');
}
