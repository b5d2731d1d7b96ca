import { asTheyStand, bootstrap, type Pick as PickExample } from '../bootstrap.js';
import type { Which } from '../contracts/evaluation.js';
import type { ExampleScores } from '../contracts/exampleScores.js';

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

/**
 * Paired bootstrap over test examples: they are drawn with replacement within each owner, the same for both kinds, over the
 * owners that have both. Undefined where nobody has.
 */
export function pairedDifference(scores: readonly OwnerScores[], which: Which, against: Which): Difference | undefined {
  const owners = pairUp(scores, which, against);
  const examples = owners.reduce((sum, pairs) => sum + pairs.length, 0);
  if (examples === 0) return undefined;
  return {
    which,
    against,
    examples,
    owners: owners.length,
    difference: ratio(owners, asTheyStand),
    ...bootstrap(examples, (pick) => ratio(owners, pick)),
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
