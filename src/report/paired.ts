import type { Which } from '../contracts/evaluation.js';
import type { ExampleScores } from '../contracts/exampleScores.js';
import { randomStream } from '../random.js';

/** A test example under the adapters of its owner. */
export type TestExample = Pick<ExampleScores, 'targets' | 'nll'>;

export interface OwnerScores {
  readonly client: string;
  readonly examples: readonly TestExample[];
}

/** How much lower or higher one kind of adapter scores than another. */
export interface Difference {
  readonly which: Which;
  readonly against: Which;
  readonly examples: number;
  readonly owners: number;
  /** Mean perplexity of the owners, relative: a / b - 1; the bounds hold 95 % of the resamples. */
  readonly difference: number;
  readonly low: number;
  readonly high: number;
}

/** An example under both: NLL under a, NLL under b, target tokens. */
type Pair = readonly [a: number, b: number, tokens: number];

const RESAMPLES = { least: 200, most: 1000 };
/** Examples drawn in all, at most, so that a large test set does not hold the report up. */
const MAX_DRAWS = 2e7;

function pairUp(scores: readonly OwnerScores[], which: Which, against: Which): Pair[][] {
  const pairsOf = ({ examples }: OwnerScores): Pair[] =>
    examples.flatMap(({ nll, targets }): Pair[] => {
      const [a = Number.NaN, b = Number.NaN] = [nll[which], nll[against]];
      return Number.isFinite(a) && Number.isFinite(b) ? [[a, b, targets]] : [];
    });
  return scores.map(pairsOf).filter((pairs) => pairs.length > 0);
}

/** Ratio of the owners' mean perplexities, less 1; `pick` says which example stands in each place. */
function ratio(owners: readonly (readonly Pair[])[], pick: (place: number, count: number) => number): number {
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

/**
 * Paired bootstrap over test examples: they are drawn with replacement within each owner, the same for both kinds, over the
 * owners that have both. Undefined where nobody has.
 */
export function pairedDifference(scores: readonly OwnerScores[], which: Which, against: Which): Difference | undefined {
  const owners = pairUp(scores, which, against);
  const examples = owners.reduce((sum, pairs) => sum + pairs.length, 0);
  if (examples === 0) return undefined;
  const resamples = Math.max(RESAMPLES.least, Math.min(RESAMPLES.most, Math.floor(MAX_DRAWS / examples)));
  const random = randomStream(0, 'bootstrap');
  const draws = Float64Array.from({ length: resamples }, () =>
    ratio(owners, (_, count) => Math.floor(random() * count)),
  ).sort();
  const at = (share: number) => draws[Math.min(resamples - 1, Math.floor(share * resamples))]!;
  return {
    which,
    against,
    examples,
    owners: owners.length,
    difference: ratio(owners, (place) => place),
    low: at(0.025),
    high: at(0.975),
  };
}

/** The shared adapter (else the base) against the base, and everything else against it. */
export function pairedDifferences(scores: readonly OwnerScores[]): Difference[] {
  const shared = scores.some(({ examples }) => examples.some(({ nll }) => nll.global !== undefined));
  const reference = shared ? 'global' : 'base';
  const pairs: [Which, Which][] = (['local', 'personalized', 'tuned'] as const).map((which) => [which, reference]);
  if (shared) pairs.unshift(['global', 'base']);
  return pairs.flatMap(([which, against]) => pairedDifference(scores, which, against) ?? []);
}
