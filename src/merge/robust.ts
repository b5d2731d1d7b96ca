import { FedtuneError } from '../errors.js';
import { type Arithmetic, plainArithmetic } from './arithmetic.js';
import type { MergeRow } from './mean.js';
import type { RobustOptions } from './options.js';

export interface RobustResult {
  readonly merged: Float32Array;
  readonly metrics: Readonly<Record<string, unknown>>;
}

/** Fewer covering clients than this: a median or trimmed mean says nothing, the weighted mean stands. */
const MIN_ROWS = 3;

/** Share of the merged entries that too few clients have for a robust merge of them. */
function shareOfFew(rows: readonly MergeRow[], size: number): number {
  if (rows.every(({ mask }) => mask === null)) return rows.length < MIN_ROWS ? 1 : 0;
  const covering = new Uint32Array(size);
  for (const { mask } of rows) for (let p = 0; p < size; p++) covering[p]! += mask?.[p] ?? 1;
  let [merged, few] = [0, 0];
  for (const count of covering) {
    merged += Number(count > 0);
    few += Number(count > 0 && count < MIN_ROWS);
  }
  return few / merged;
}

/** Entries cut off at each end of `count` sorted values: all but the middle one or two for the median; -1: the mean. */
function cutOf(options: RobustOptions, count: number): number {
  if (count < MIN_ROWS) return -1;
  const most = Math.floor((count - 1) / 2);
  if (options.robust === 'median') return most;
  return Math.min(most, Math.max(1, Math.floor(options.trim_fraction * count)));
}

function requireEqualMasks(rows: readonly MergeRow[]): void {
  const first = rows[0]!.mask;
  const equal = rows.every(
    ({ mask }) => mask === first || (mask !== null && first !== null && mask.every((bit, p) => bit === first[p])),
  );
  if (!equal) {
    throw new FedtuneError(
      'ROBUST_MASKS',
      'Expected equal masks of all clients for krum, which compares whole adapters, but they differ; set robust: median or trimmed_mean.',
    );
  }
}

type KrumOptions = Pick<RobustOptions, 'robust' | 'byzantine'>;

export const isKrum = ({ robust }: KrumOptions): boolean => robust === 'krum' || robust === 'multi_krum';

/** Clients that krum needs to withstand `byzantine` of them: 2 f + 3. */
export const krumLeast = ({ byzantine }: KrumOptions): number => 2 * byzantine + 3;

export function krumProblem(options: KrumOptions, clients: number): string {
  const { robust, byzantine } = options;
  return (
    `robust: ${robust} needs ${krumLeast(options)} clients a round or more to withstand byzantine: ${byzantine}, but there are ${clients}; ` +
    'lower byzantine, take more clients, or robust: median.'
  );
}

/** Blanchard et al., 2017 (arXiv 1703.02757): the row(s) with the smallest sum of distances to their n - f - 2 nearest others. */
function krum(
  rows: readonly MergeRow[],
  fallback: Float32Array,
  options: RobustOptions,
  { mean, squaredDistances }: Arithmetic,
): RobustResult {
  if (rows.length < krumLeast(options)) throw new FedtuneError('TOO_FEW_FOR_KRUM', krumProblem(options, rows.length));
  requireEqualMasks(rows);
  const near = rows.length - options.byzantine - 2;
  const all = squaredDistances(rows.map(({ values }) => values));
  const scores = rows.map((_, i) => {
    const others = all.slice(i * rows.length, (i + 1) * rows.length).filter((_d, j) => j !== i);
    return others
      .sort()
      .subarray(0, near)
      .reduce((sum, distance) => sum + distance, 0);
  });
  const wanted = options.robust === 'krum' ? 1 : (options.krum_select ?? rows.length - options.byzantine);
  const order = [...rows.keys()].sort((a, b) => scores[a]! - scores[b]! || a - b);
  // Kept in client order, so that the sum has the one order that every merge has.
  const selected = order.slice(0, Math.max(1, Math.min(wanted, rows.length))).sort((a, b) => a - b);
  const chosen = selected.map((index) => rows[index]!);
  return { merged: mean(chosen, fallback), metrics: { krumSelected: selected } };
}

function updateNorm({ values, mask }: MergeRow, from: Float32Array, { squaredDistances }: Arithmetic): number {
  if (mask === null) return Math.sqrt(squaredDistances([values, from])[1]!);
  let sum = 0;
  for (let p = 0; p < values.length; p++) {
    const change = mask[p] === 1 ? values[p]! - from[p]! : 0;
    sum += change * change;
  }
  return Math.sqrt(sum);
}

function medianOf(values: Float64Array): number {
  const sorted = values.toSorted();
  const [low, high] = [Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2)];
  return low === high ? sorted[low]! : (sorted[low]! + sorted[high]!) / 2;
}

/** Entries that are clipped at a time, so that no whole copy of an update is made. */
const STRETCH = 65536;

/** Sun et al., 2019 (arXiv 1911.07963): updates longer than the bound are scaled down to it, then averaged. */
function normClip(
  rows: readonly MergeRow[],
  fallback: Float32Array,
  options: RobustOptions,
  arithmetic: Arithmetic,
): RobustResult {
  const norms = Float64Array.from(rows, (row) => updateNorm(row, fallback, arithmetic));
  const bound = options.clip_norm ?? medianOf(norms);
  const merged = new Float32Array(fallback.length);
  const buffers = rows.map((_, i) => (norms[i]! > bound ? new Float32Array(Math.min(STRETCH, merged.length)) : null));
  for (let start = 0; start < merged.length; start += STRETCH) {
    const end = Math.min(merged.length, start + STRETCH);
    const before = fallback.subarray(start, end);
    const stretch = rows.map(({ values, weight, mask }, i): MergeRow => {
      const own = {
        values: values.subarray(start, end),
        weight,
        mask: mask === null ? null : mask.subarray(start, end),
      };
      const clipped = buffers[i]?.subarray(0, end - start);
      if (clipped === undefined) return own;
      const factor = bound / norms[i]!;
      for (let p = 0; p < clipped.length; p++) clipped[p] = before[p]! + factor * (own.values[p]! - before[p]!);
      return { ...own, values: clipped };
    });
    merged.set(arithmetic.mean(stretch, before), start);
  }
  return { merged, metrics: { clipNorm: bound, norms: [...norms] } };
}

/**
 * Merges rows as `options.robust` says; `none` is the weighted mean. `fallback` is the adapter before the round (the
 * reference of norm_clip). Median and trimmed mean (Yin et al., 2018, arXiv 1803.01498) are taken entry by entry over the
 * clients that have it and do not weigh; entries of fewer than three are the weighted mean, and their share is logged.
 * Throws FedtuneError TOO_FEW_FOR_KRUM, ROBUST_MASKS.
 */
export function robustMerge(
  rows: readonly MergeRow[],
  fallback: Float32Array,
  options: RobustOptions,
  arithmetic: Arithmetic = plainArithmetic,
): RobustResult {
  if (options.robust === 'norm_clip' && rows.length > 0) return normClip(rows, fallback, options, arithmetic);
  if (options.robust === 'none' || rows.length === 0) return { merged: arithmetic.mean(rows, fallback), metrics: {} };
  if (isKrum(options)) return krum(rows, fallback, options, arithmetic);
  const merged = arithmetic.sortedMean(rows, fallback, (count) => cutOf(options, count));
  return { merged, metrics: { unprotected: shareOfFew(rows, fallback.length) } };
}
