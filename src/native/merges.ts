import type { CombinationTerm, EntryRange, FactorPlace, MergeRow, ProductSummand } from './binding.js';
import { guard } from './guard.js';
import { loadBinding } from './load.js';

// Arithmetic over many adapters in the engine. The bits depend neither on threads nor on the machine; binding.ts states each
// order. `threads` beyond the cores of the machine are not started. Throws EngineError BAD_ARGUMENT on lengths that
// differ, THREADS, OUT_OF_MEMORY.

/** Weighted mean of adapters, bit-equal to the TypeScript form in src/merge/mean.ts. */
export function mergeMean(rows: readonly MergeRow[], fallback: Float32Array, threads = 1): Float32Array {
  return guard(() => loadBinding().mergeMean(rows, fallback, threads));
}

/** A row's part in a running mean, in place; bit-equal to the TypeScript form in src/merge/runningMean.ts. */
export function addRow(sum: Float64Array, weights: Float64Array | null, row: MergeRow): void {
  guard(() => loadBinding().addRow(sum, weights, row));
}

/**
 * Coordinate-wise median or trimmed mean. `cutOf(count)` says how many of `count` covering rows' values fall away at each
 * end (all but the middle one or two: the median), negative where the weighted mean stands.
 */
export function sortedMean(
  rows: readonly MergeRow[],
  fallback: Float32Array,
  cutOf: (count: number) => number,
  threads = 1,
): Float32Array {
  const cuts = Int32Array.from({ length: rows.length + 1 }, (_, covering) => (covering === 0 ? -1 : cutOf(covering)));
  return guard(() => loadBinding().sortedMean(rows, fallback, cuts, threads));
}

/** Which entries count in a product; all of them by default. */
export interface GramOptions {
  /** Entries where this is 1. @default null: all */
  readonly mask?: Uint8Array | null;
  /** One table of products for each of these. @default one range of all entries */
  readonly ranges?: readonly EntryRange[];
  /** @default 1 */
  readonly threads?: number;
}

/** Inner products <a, b> of all pairs of rows in float64, flat as [range][row][row]. */
export function gram(rows: readonly Float32Array[], options: GramOptions = {}): Float64Array {
  const { mask = null, ranges = [{ start: 0, end: rows[0]?.length ?? 0 }], threads = 1 } = options;
  return guard(() => loadBinding().gram(rows, mask, ranges, threads));
}

/** Squared Euclidean distances of all pairs of rows in float64, flat as [row][row]. */
export function squaredDistances(rows: readonly Float32Array[], threads = 1): Float64Array {
  return guard(() => loadBinding().squaredDistances(rows, threads));
}

/**
 * Overlaps of all pairs of masks of `length` entries (null: all ones), flat as [mask][mask]: the number of entries that
 * both have. With n = count[i][i] and m = count[j][j], `n + m - count[i][j]` entries are in either.
 */
export function maskOverlaps(masks: readonly (Uint8Array | null)[], length: number, threads = 1): Float64Array {
  return guard(() => loadBinding().maskOverlaps(masks, length, threads));
}

/** `base` + `scale` times a weighted sum of rows, bit-equal to the TypeScript form in src/merge/combination.ts. */
export function addCombination(
  base: Float32Array,
  terms: readonly CombinationTerm[],
  ranges: readonly EntryRange[],
  scale: number,
  threads = 1,
): Float32Array {
  return guard(() => loadBinding().addCombination(base, terms, ranges, scale, threads));
}

/** Weighted sums of rows, added up, in float64. */
export function sumCombinations(
  combinations: readonly (readonly CombinationTerm[])[],
  ranges: readonly EntryRange[],
  length: number,
  threads = 1,
): Float64Array {
  return guard(() => loadBinding().sumCombinations(combinations, ranges, length, threads));
}

/** A sum of products of factors, out x in, bit-equal to the TypeScript form in src/merge/productSum.ts. */
export function productSum(
  summands: readonly ProductSummand[],
  outDim: number,
  inDim: number,
  threads = 1,
): Float64Array {
  return guard(() => loadBinding().productSum(summands, outDim, inDim, threads));
}

/** Squared Frobenius norm of each module's product, bit-equal to the TypeScript form in src/merge/productNorms.ts. */
export function productNorms(values: Float32Array, modules: readonly FactorPlace[], threads = 1): Float64Array {
  return guard(() => loadBinding().productNorms(values, modules, threads));
}
