import type { Split } from '../data/types.js';

export interface SplitParams {
  readonly validFraction: number;
  readonly testFraction: number;
  /** At most so many examples a split; null: all. */
  readonly caps: Readonly<Record<Split, number | null>>;
}

/** One example of a client, in the (shuffled) order in which it is considered. */
export interface SplitCandidate {
  readonly index: number;
  /** The split that the data gives. */
  readonly split?: Split | undefined;
}

export interface SplitResult {
  readonly train: number[];
  readonly valid: number[];
  readonly test: number[];
  /** Candidates that did not fit, of those looked at. */
  readonly dropped: number;
}

const SPLITS: readonly Split[] = ['train', 'valid', 'test'];

/** Splits that are drawn, with their shares; those that the data gives are not drawn. */
function drawnShares(given: ReadonlySet<Split>, params: SplitParams): [Split, number][] {
  const shares: [Split, number][] = [];
  if (!given.has('valid')) shares.push(['valid', params.validFraction]);
  if (!given.has('test')) shares.push(['test', given.size === 0 ? params.testFraction : 0]);
  const held = shares.reduce((sum, [, share]) => sum + share, 0);
  return [['train', 1 - held], ...shares];
}

function furthestBehind(
  shares: readonly [Split, number][],
  drawn: Readonly<Record<Split, number>>,
  total: number,
): Split {
  const behind = shares.map(([name, share]) => ({ name, deficit: share * total - drawn[name] }));
  return behind.reduce((best, other) => (other.deficit > best.deficit + 1e-9 ? other : best)).name;
}

/**
 * Goes through a client's candidates and gives each that `fits` to the split that is furthest behind its share, so
 * that shares hold whatever was dropped; what a cap leaves over is not used. Stops as soon as every cap is reached, so
 * `fits` (which tokenises) sees no more of a large data set than needed.
 *
 * A split that the data gives is kept; validation is then drawn from training examples where the data has none.
 */
export function splitCandidates(
  candidates: readonly SplitCandidate[],
  given: ReadonlySet<Split>,
  fits: (index: number) => boolean,
  params: SplitParams,
): SplitResult {
  const result: SplitResult & { dropped: number } = { train: [], valid: [], test: [], dropped: 0 };
  const shares = drawnShares(given, params);
  const drawn: Record<Split, number> = { train: 0, valid: 0, test: 0 };
  let numDrawn = 0;
  const wanted = SPLITS.filter(
    (split) => given.has(split) || shares.some(([name, share]) => name === split && share > 0),
  );
  const open = (split: Split): boolean => result[split].length < (params.caps[split] ?? Number.POSITIVE_INFINITY);
  for (const { index, split: own } of candidates) {
    if (!wanted.some(open)) break;
    const fixed = own !== undefined && own !== 'train' ? own : undefined;
    if (fixed !== undefined && !open(fixed)) continue;
    if (!fits(index)) {
      result.dropped++;
      continue;
    }
    const split = fixed ?? furthestBehind(shares, drawn, ++numDrawn);
    if (fixed === undefined) drawn[split]++;
    if (open(split)) result[split].push(index);
  }
  return result;
}
