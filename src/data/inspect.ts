import { byCode, naturalCompare } from '../order.js';
import { randomStream } from '../random.js';
import { detached } from '../text.js';
import { contentHash } from './sameness.js';
import { type DataSummary, DataTally } from './summary.js';
import { type TokenizeOptions, tokenizeExample } from './tokenize.js';
import type { Example } from './types.js';

/** Owners and categories that are counted one by one; further ones are counted together. */
const MAX_GROUPS = 1000;
/** Examples whose tokens are counted: a sample of a larger data set, drawn evenly. */
const SAMPLE = 5000;
/** Owners between which divergences are computed. */
const MAX_COMPARED = 200;
/** Kinds of words that owners are compared by where rows have no category. */
const WORD_KINDS = 512;

const NO_OWNER = '(no owner)';
const NO_CATEGORY = '(no category)';
const OTHERS = '(others)';

export interface OwnerFacts {
  readonly owner: string;
  readonly examples: number;
  readonly splits: Readonly<Record<string, number>>;
  readonly categories: Readonly<Record<string, number>>;
}

export interface LengthFacts {
  /** Examples whose tokens were counted, all or a sample. */
  readonly examples: number;
  readonly median: number;
  readonly p90: number;
  readonly longest: number;
  /** From, below which, how many. */
  readonly histogram: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

export interface DuplicateFacts {
  /** Examples whose prompt and answer were there before: with the same owner, with another, in another split. */
  readonly withinOwners: number;
  readonly acrossOwners: number;
  readonly acrossSplits: number;
  /** One of each kind that there is. */
  readonly first: Readonly<Partial<Record<'withinOwners' | 'acrossOwners' | 'acrossSplits', string>>>;
}

/** Jensen-Shannon divergence in bits: 0 where two owners are alike, 1 where they have nothing in common (Lin 1991). */
export interface DivergenceFacts {
  readonly by: 'category' | 'words';
  readonly mean: number;
  readonly largest: number;
  readonly pair: readonly [string, string];
}

/** What a data set is, as plain data. */
export interface DataInspection {
  readonly kinds: Readonly<Record<string, number>>;
  readonly examples: number;
  readonly owners: readonly OwnerFacts[];
  readonly categories: readonly string[];
  readonly splits: Readonly<Record<string, number>>;
  readonly lengths?: LengthFacts;
  /** Of tokenising the sample. */
  readonly tokenized?: DataSummary;
  readonly duplicates: DuplicateFacts;
  readonly divergence?: DivergenceFacts;
}

/** 48-bit keys with the place where each was first seen; 16 bytes an entry, so that millions of rows fit. */
class FirstSeen {
  #keys = new Float64Array(1 << 12);
  #places = new Int32Array(1 << 12);
  #size = 0;

  /** The place of the first entry of that key, or undefined where this is the first. */
  add(key: number, place: number): number | undefined {
    if (this.#size * 2 > this.#keys.length) this.#grow();
    const at = this.#find(key);
    if (this.#keys[at] !== 0) return this.#places[at]!;
    this.#keys[at] = key;
    this.#places[at] = place;
    this.#size++;
    return undefined;
  }

  #find(key: number): number {
    const mask = this.#keys.length - 1;
    let at = key & mask;
    while (this.#keys[at] !== 0 && this.#keys[at] !== key) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const [keys, places] = [this.#keys, this.#places];
    this.#keys = new Float64Array(keys.length * 2);
    this.#places = new Int32Array(keys.length * 2);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === 0) continue;
      const at = this.#find(keys[i]!);
      this.#keys[at] = keys[i]!;
      this.#places[at] = places[i]!;
    }
  }
}

const kindOf = ({ text, messages }: Example): string =>
  text !== undefined ? 'text' : messages !== undefined ? 'conversation' : 'question and answer';

const count = (counts: Map<string, number>, name: string): void => {
  const key = counts.has(name) ? name : counts.size < MAX_GROUPS ? detached(name) : OTHERS;
  counts.set(key, (counts.get(key) ?? 0) + 1);
};
const sorted = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].sort(([a], [b]) => naturalCompare(a, b)));

interface OwnerCounts {
  readonly place: number;
  examples: number;
  readonly splits: Map<string, number>;
  readonly categories: Map<string, number>;
  readonly words: Float64Array;
}

/** Looks at examples one by one; its memory grows with owners and (16 bytes each) with different examples only. */
export class DataInspector {
  readonly #owners = new Map<string, OwnerCounts>();
  readonly #kinds = new Map<string, number>();
  readonly #categories = new Map<string, number>();
  readonly #splits = new Map<string, number>();
  readonly #seen = new FirstSeen();
  readonly #splitNames: string[] = [];
  readonly #sample: Example[] = [];
  readonly #random = randomStream(0, 'inspect');
  readonly #duplicates = { withinOwners: 0, acrossOwners: 0, acrossSplits: 0 };
  readonly #first: Partial<Record<keyof DuplicateFacts['first'], string>> = {};
  #examples = 0;

  add(example: Example): void {
    this.#examples++;
    const owner = this.#owner(example.owner ?? NO_OWNER);
    const split = example.split ?? 'train';
    owner.examples++;
    count(this.#kinds, kindOf(example));
    count(this.#splits, split);
    count(owner.splits, split);
    count(this.#categories, example.category ?? NO_CATEGORY);
    count(owner.categories, example.category ?? NO_CATEGORY);
    this.#countWords(example, owner.words);
    this.#compare(example, owner.place, split);
    // Algorithm R: every example is in the sample with the same probability.
    const full = this.#sample.length >= SAMPLE;
    const place = full ? Math.floor(this.#random() * this.#examples) : this.#sample.length;
    // A copy: texts of a row may be views of the piece of the file that they were read in, and would keep all of it.
    if (place < SAMPLE) this.#sample[place] = JSON.parse(JSON.stringify(example)) as Example;
  }

  #owner(name: string): OwnerCounts {
    const key = this.#owners.has(name) || this.#owners.size < MAX_GROUPS ? name : OTHERS;
    let known = this.#owners.get(key);
    if (known === undefined) {
      known = {
        place: this.#owners.size,
        examples: 0,
        splits: new Map(),
        categories: new Map(),
        words: new Float64Array(WORD_KINDS),
      };
      this.#owners.set(detached(key), known);
    }
    return known;
  }

  #countWords({ instruction, text, messages }: Example, words: Float64Array): void {
    const asked = text ?? messages?.find(({ role }) => role === 'user')?.content ?? instruction;
    for (const [word] of asked
      .slice(0, 4000)
      .toLowerCase()
      .matchAll(/[\p{L}\p{N}]+/gu)) {
      let hash = 0;
      for (let i = 0; i < word.length; i++) hash = (hash * 31 + word.charCodeAt(i)) | 0;
      words[(hash >>> 0) % WORD_KINDS]!++;
    }
  }

  #compare(example: Example, owner: number, split: string): void {
    let at = this.#splitNames.indexOf(split);
    if (at < 0) at = this.#splitNames.push(split) - 1;
    const before = this.#seen.add(contentHash(example), owner * 16 + at);
    if (before === undefined) return;
    const found = (kind: keyof DuplicateFacts['first']): void => {
      this.#duplicates[kind]++;
      this.#first[kind] ??= example.id;
    };
    found(before >> 4 === owner ? 'withinOwners' : 'acrossOwners');
    if ((before & 15) !== at) found('acrossSplits');
  }

  /** What was found. `tokenize`: how examples become tokens; without it nothing is said of lengths. */
  finish(tokenize?: TokenizeOptions): DataInspection {
    const owners = [...this.#owners].sort(([a], [b]) => naturalCompare(a, b));
    const divergence = this.#divergence(owners.filter(([name]) => name !== NO_OWNER));
    return {
      kinds: sorted(this.#kinds),
      examples: this.#examples,
      owners: owners.map(([owner, facts]) => ({
        owner,
        examples: facts.examples,
        splits: sorted(facts.splits),
        categories: sorted(facts.categories),
      })),
      categories: [...this.#categories.keys()].sort(byCode),
      splits: sorted(this.#splits),
      ...(tokenize === undefined ? {} : this.#lengths(tokenize)),
      duplicates: { ...this.#duplicates, first: this.#first },
      ...(divergence === undefined ? {} : { divergence }),
    };
  }

  #lengths(tokenize: TokenizeOptions): Pick<DataInspection, 'lengths' | 'tokenized'> {
    const tally = new DataTally();
    const lengths: number[] = [];
    for (const example of this.#sample) {
      // How long it is, and what becomes of it at seq_length: the same, unless it is cut there.
      const whole = tokenizeExample(example, { ...tokenize, seqLength: Number.MAX_SAFE_INTEGER });
      if (!('dropped' in whole)) lengths.push(whole.example.tokens.length);
      const fits = !('dropped' in whole) && whole.facts.longest <= tokenize.seqLength;
      const onLong = tokenize.onLong === 'drop' ? 'drop' : 'truncate';
      tally.tokenized(example, fits ? whole : tokenizeExample(example, { ...tokenize, onLong }));
    }
    if (lengths.length === 0) return { tokenized: tally.summary() };
    lengths.sort((a, b) => a - b);
    const quantile = (share: number) => lengths[Math.min(lengths.length - 1, Math.floor(share * lengths.length))]!;
    return {
      lengths: {
        examples: lengths.length,
        median: quantile(0.5),
        p90: quantile(0.9),
        longest: lengths.at(-1)!,
        histogram: histogram(lengths),
      },
      tokenized: tally.summary(),
    };
  }

  #divergence(owners: readonly (readonly [string, OwnerCounts])[]): DivergenceFacts | undefined {
    if (owners.length < 2 || owners.length > MAX_COMPARED) return undefined;
    const names = [...this.#categories.keys()].filter((name) => name !== NO_CATEGORY);
    const by = names.length > 1 ? 'category' : 'words';
    const counts = owners.map(([, { categories, words }]) =>
      by === 'category' ? names.map((name) => categories.get(name) ?? 0) : Array.from(words),
    );
    let [sum, pairs, largest] = [0, 0, -1];
    let pair: [string, string] = ['', ''];
    for (let i = 0; i < owners.length; i++) {
      for (let j = i + 1; j < owners.length; j++) {
        const value = jensenShannon(counts[i]!, counts[j]!);
        sum += value;
        pairs++;
        if (value > largest) [largest, pair] = [value, [owners[i]![0], owners[j]![0]]];
      }
    }
    return { by, mean: sum / pairs, largest, pair };
  }
}

/** Bins of doubling width: 0, 32, 64, ... */
function histogram(sortedLengths: readonly number[]): LengthFacts['histogram'] {
  const bins: { from: number; to: number; count: number }[] = [];
  for (let from = 0, to = 32; from <= sortedLengths.at(-1)!; from = to, to *= 2) {
    bins.push({ from, to, count: sortedLengths.filter((length) => length >= from && length < to).length });
  }
  return bins.slice(bins.findIndex((bin) => bin.count > 0));
}

/** Jensen-Shannon divergence of two distributions given by counts, in bits. */
export function jensenShannon(a: readonly number[], b: readonly number[]): number {
  const [totalA, totalB] = [a, b].map((counts) => counts.reduce((sum, value) => sum + value, 0)) as [number, number];
  if (totalA === 0 || totalB === 0) return totalA === totalB ? 0 : 1;
  let result = 0;
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [a[i]! / totalA, b[i]! / totalB];
    const middle = (p + q) / 2;
    if (p > 0) result += (p / 2) * Math.log2(p / middle);
    if (q > 0) result += (q / 2) * Math.log2(q / middle);
  }
  return Math.min(1, Math.max(0, result));
}
