import { asTheyStand, boundsOf, type Pick as PickExample, resampled } from '../bootstrap.js';
import type { Which } from '../contracts/evaluation.js';
import type { ExampleScores } from '../contracts/exampleScores.js';
import { holm } from '../holm.js';

/** A test example under the adapters of its owner. */
export type TestExample = Pick<ExampleScores, 'targets' | 'nll'>;

export interface OwnerScores {
  readonly client: string;
  readonly examples: readonly TestExample[];
}

/** How much lower or higher one adapter of every owner scores than another. */
export interface PairedDifference {
  readonly examples: number;
  readonly owners: number;
  /** Owners whose own perplexity is the lower one under `which`. */
  readonly better: number;
  /** Mean perplexity of the owners, relative: a / b - 1; the bounds hold 95 % of the resamples. */
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  /** Two-sided: how much of the draws lies beyond 0. */
  readonly p: number;
}

/** One kind of adapter against another. */
export interface Difference extends PairedDifference {
  readonly which: Which;
  readonly against: Which;
}

/** A difference among all those of a table. */
export interface JudgedDifference extends Difference {
  /** p, corrected after Holm over the table. */
  readonly corrected: number;
  /** What these examples tell of the perplexity; nothing of other seeds. */
  readonly verdict: 'lower' | 'higher' | 'not told apart';
}

/** An example under both: NLL under a, NLL under b, target tokens. */
export type Pair = readonly [a: number, b: number, tokens: number];

function pairUp(scores: readonly OwnerScores[], which: Which, against: Which): Pair[][] {
  const pairsOf = ({ examples }: OwnerScores): Pair[] =>
    examples.flatMap(({ nll, targets }): Pair[] => {
      const [a = Number.NaN, b = Number.NaN] = [nll[which], nll[against]];
      return Number.isFinite(a) && Number.isFinite(b) ? [[a, b, targets]] : [];
    });
  return scores.map(pairsOf).filter((pairs) => pairs.length > 0);
}

/** Ratio of the owners' mean perplexities, less 1; `pick` says which example stands in each place. */
function ratio(owners: readonly (readonly Pair[])[], pick: PickExample): number {
  let sumA = 0;
  let sumB = 0;
  for (const pairs of owners) {
    let nllA = 0;
    let nllB = 0;
    let tokens = 0;
    for (let place = 0; place < pairs.length; place++) {
      const [a, b, count] = pairs[pick(place, pairs.length)]!;
      nllA += a;
      nllB += b;
      tokens += count;
    }
    sumA += Math.exp(nllA / tokens);
    sumB += Math.exp(nllB / tokens);
  }
  return sumA / sumB - 1;
}

const isBetter = (pairs: readonly Pair[]): boolean => pairs.reduce((sum, [a, b]) => sum + a - b, 0) < 0;

/** Two-sided p value of draws of a difference; never 0, as no number of draws shows that. */
function pValue(draws: Float64Array): number {
  const tail = Math.min(draws.filter((draw) => draw <= 0).length, draws.filter((draw) => draw >= 0).length);
  return Math.min(1, (2 * (tail + 1)) / (draws.length + 1));
}

/**
 * Paired bootstrap over test examples: they are drawn with replacement within each owner, the same for both sides. Undefined where
 * there are none.
 */
export function comparePairs(owners: readonly (readonly Pair[])[]): PairedDifference | undefined {
  const examples = owners.reduce((sum, pairs) => sum + pairs.length, 0);
  if (examples === 0) return undefined;
  const draws = resampled(examples, (pick) => ratio(owners, pick));
  return {
    examples,
    owners: owners.length,
    better: owners.filter(isBetter).length,
    difference: ratio(owners, asTheyStand),
    ...boundsOf(draws),
    p: pValue(draws),
  };
}

/** One kind of adapter against another, over the owners that have both. Undefined where nobody has. */
export function pairedDifference(scores: readonly OwnerScores[], which: Which, against: Which): Difference | undefined {
  const found = comparePairs(pairUp(scores, which, against));
  return found && { which, against, ...found };
}

/** What an owner could have had without anybody else: training alone where there is that, else the base. */
function referenceOf(scores: readonly OwnerScores[]): 'local' | 'base' {
  return scores.some(({ examples }) => examples.some(({ nll }) => nll.local !== undefined)) ? 'local' : 'base';
}

/** Everything an owner may have against what it could have had alone, which is itself held against the base; judged together. */
export function pairedDifferences(scores: readonly OwnerScores[]): JudgedDifference[] {
  const reference = referenceOf(scores);
  const pairs: [Which, Which][] = (['global', 'personalized', 'unmerged', 'tuned'] as const).map((which) => [
    which,
    reference,
  ]);
  if (reference === 'local') pairs.unshift(['local', 'base']);
  const found = pairs.flatMap(([which, against]) => pairedDifference(scores, which, against) ?? []);
  const corrected = holm(found.map(({ p }) => p));
  return found.map((one, i) => ({ ...one, corrected: corrected[i]!, verdict: verdictOf(one, corrected[i]!) }));
}

function verdictOf({ low, high }: Difference, corrected: number): JudgedDifference['verdict'] {
  if (corrected > 0.05 || (low <= 0 && high >= 0)) return 'not told apart';
  return high < 0 ? 'lower' : 'higher';
}
