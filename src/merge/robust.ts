import { FedtuneError } from '../errors.js';
import { type Arithmetic, plainArithmetic } from './arithmetic.js';
import { type MergeRow, mergeMean } from './mean.js';
import type { RobustOptions } from './options.js';

export type { RobustOptions } from './options.js';

export interface RobustResult {
  readonly merged: Float32Array;
  readonly metrics: Readonly<Record<string, unknown>>;
}

/** Fewer covering clients than this: a median or trimmed mean says nothing, the weighted mean stands. */
const MIN_ROWS = 3;

function sortedMean(sorted: Float64Array, cut: number): number {
  let sum = 0;
  for (let i = cut; i < sorted.length - cut; i++) sum += sorted[i]!;
  return sum / (sorted.length - 2 * cut);
}

/** Entries cut off at each end of `count` sorted values: all but the middle one or two for the median. */
function cutOf(options: RobustOptions, count: number): number {
  const most = Math.floor((count - 1) / 2);
  if (options.robust === 'median') return most;
  return Math.min(most, Math.max(1, Math.floor(options.trim_fraction * count)));
}

/** Yin et al., 2018 (arXiv 1803.01498): coordinate-wise median and trimmed mean, over the clients that cover an entry. */
function coordinateWise(rows: readonly MergeRow[], fallback: Float32Array, options: RobustOptions): Float32Array {
  const result = mergeMean(rows, fallback);
  const buffer = new Float64Array(rows.length);
  for (let p = 0; p < result.length; p++) {
    let count = 0;
    for (const { values, mask } of rows) if (mask === null || mask[p] === 1) buffer[count++] = values[p]!;
    if (count < MIN_ROWS) continue;
    result[p] = sortedMean(buffer.subarray(0, count).sort(), cutOf(options, count));
  }
  return result;
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let p = 0; p < a.length; p++) sum += (a[p]! - b[p]!) ** 2;
  return sum;
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

/** Blanchard et al., 2017 (arXiv 1703.02757): the row(s) with the smallest sum of distances to their n - f - 2 nearest others. */
function krum(
  rows: readonly MergeRow[],
  fallback: Float32Array,
  options: RobustOptions,
  { mean }: Arithmetic,
): RobustResult {
  requireEqualMasks(rows);
  const near = Math.max(1, rows.length - options.byzantine - 2);
  const scores = rows.map((row) => {
    const distances = rows.filter((other) => other !== row).map((other) => squaredDistance(row.values, other.values));
    return distances
      .sort((a, b) => a - b)
      .slice(0, near)
      .reduce((sum, distance) => sum + distance, 0);
  });
  const wanted = options.robust === 'krum' ? 1 : (options.krum_select ?? rows.length - options.byzantine);
  const order = [...rows.keys()].sort((a, b) => scores[a]! - scores[b]! || a - b);
  // Kept in client order, so that the sum has the one order that every merge has.
  const selected = order.slice(0, Math.max(1, Math.min(wanted, rows.length))).sort((a, b) => a - b);
  const chosen = selected.map((index) => rows[index]!);
  return { merged: mean(chosen, fallback), metrics: { krumSelected: selected } };
}

function updateNorm({ values, mask }: MergeRow, from: Float32Array): number {
  let sum = 0;
  for (let p = 0; p < values.length; p++) if (mask === null || mask[p] === 1) sum += (values[p]! - from[p]!) ** 2;
  return Math.sqrt(sum);
}

/** Sun et al., 2019 (arXiv 1911.07963): updates longer than the bound are scaled down to it. */
function normClip(
  rows: readonly MergeRow[],
  fallback: Float32Array,
  options: RobustOptions,
  { mean }: Arithmetic,
): RobustResult {
  const norms = Float64Array.from(rows, (row) => updateNorm(row, fallback));
  const sorted = norms.toSorted();
  const bound = options.clip_norm ?? sortedMean(sorted, Math.floor((sorted.length - 1) / 2));
  const clipped = rows.map((row, i): MergeRow => {
    if (norms[i]! <= bound) return row;
    const factor = bound / norms[i]!;
    const values = row.values.map((value, p) =>
      row.mask === null || row.mask[p] === 1 ? fallback[p]! + factor * (value - fallback[p]!) : value,
    );
    return { ...row, values };
  });
  return { merged: mean(clipped, fallback), metrics: { clipNorm: bound, norms: [...norms] } };
}

/**
 * Merges rows as `options.robust` says; `none` is the weighted mean. `fallback` is the adapter before the round (the
 * reference of norm_clip). With fewer than three rows everything but norm_clip is the weighted mean. Median and trimmed
 * mean do not weigh. Throws FedtuneError ROBUST_MASKS.
 */
export function robustMerge(
  rows: readonly MergeRow[],
  fallback: Float32Array,
  options: RobustOptions,
  { mean }: Arithmetic = plainArithmetic,
): RobustResult {
  if (options.robust === 'norm_clip' && rows.length > 0) return normClip(rows, fallback, options, { mean });
  if (options.robust === 'none' || rows.length < MIN_ROWS) return { merged: mean(rows, fallback), metrics: {} };
  if (options.robust === 'krum' || options.robust === 'multi_krum') return krum(rows, fallback, options, { mean });
  return { merged: coordinateWise(rows, fallback, options), metrics: {} };
}
