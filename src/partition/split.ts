import { SPLITS, type Split } from '../data/types.js';

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
  /** Equal for candidates with the same content, which never lie in different splits. */
  readonly content?: number;
}

export interface SplitResult {
  readonly train: number[];
  readonly valid: number[];
  readonly test: number[];
  /** Candidates that did not fit, of those looked at. */
  readonly dropped: number;
  /** Candidates for training that the data gives for validation or test as well: left out, or the test were none. */
  readonly repeated: number[];
}

const isHeldOut = (split: Split | undefined): split is 'valid' | 'test' => split === 'valid' || split === 'test';

/** Splits that are drawn, with their shares; those that the data gives are not drawn. */
function drawnShares(given: ReadonlySet<Split>, params: SplitParams): [Split, number][] {
  const shares: [Split, number][] = [];
  if (!given.has('valid')) shares.push(['valid', params.validFraction]);
  if (!given.has('test')) shares.push(['test', params.testFraction]);
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
 * A split that the data gives is kept; validation and test are drawn from training examples where the data has none.
 * Examples of the same content never lie on both sides.
 */
export function splitCandidates(
  candidates: readonly SplitCandidate[],
  given: ReadonlySet<Split>,
  fits: (index: number) => boolean,
  params: SplitParams,
): SplitResult {
  const result: SplitResult & { dropped: number } = { train: [], valid: [], test: [], dropped: 0, repeated: [] };
  const held = new Set(
    candidates.flatMap(({ split, content }) => (isHeldOut(split) && content !== undefined ? content : [])),
  );
  const shares = drawnShares(given, params);
  const drawn: Record<Split, number> = { train: 0, valid: 0, test: 0 };
  let numDrawn = 0;
  const splitOfContent = new Map<number, Split>();
  const draw = (content: number | undefined): Split => {
    numDrawn++;
    const split = splitOfContent.get(content ?? Number.NaN) ?? furthestBehind(shares, drawn, numDrawn);
    if (content !== undefined) splitOfContent.set(content, split);
    drawn[split]++;
    return split;
  };
  const wanted = SPLITS.filter(
    (split) => given.has(split) || shares.some(([name, share]) => name === split && share > 0),
  );
  const open = (split: Split): boolean => result[split].length < (params.caps[split] ?? Number.POSITIVE_INFINITY);
  for (const { index, split: own, content } of candidates) {
    if (!wanted.some(open)) break;
    const fixed = isHeldOut(own) ? own : undefined;
    if (fixed !== undefined && !open(fixed)) continue;
    if (fixed === undefined && content !== undefined && held.has(content)) {
      result.repeated.push(index);
      continue;
    }
    if (!fits(index)) {
      result.dropped++;
      continue;
    }
    const split = fixed ?? draw(content);
    if (open(split)) result[split].push(index);
  }
  return result;
}
