/** One client's part in a merge. */
export interface MergeRow {
  readonly values: Float32Array;
  readonly weight: number;
  /** One byte an entry (0 or 1); null: all ones. */
  readonly mask: Uint8Array | null;
}

/** Merges rows entry by entry; entries that no row covers take `fallback`. */
export type MergeMean = (rows: readonly MergeRow[], fallback: Float32Array) => Float32Array;

/**
 * PerFIT's parameter-wise mean (arXiv 2402.16919): sum(w * v) / sum(w) over the rows whose mask is 1 at the entry, never
 * divided by the weight of rows that do not have it. FedIT is the case of no masks.
 *
 * The order is part of the definition, so that the native form is equal to the bit: per entry, rows in the order given
 * (clients sorted by id), `sum += w * v` and `den += w` in float64 without contraction, one division in float64, one
 * rounding to float32; `fallback` where `den` is not > 0.
 */
export const mergeMean: MergeMean = (rows, fallback) => {
  const result = new Float32Array(fallback.length);
  for (let p = 0; p < result.length; p++) {
    let sum = 0;
    let den = 0;
    for (const { values, weight, mask } of rows) {
      if (mask !== null && mask[p] !== 1) continue;
      sum += weight * values[p]!;
      den += weight;
    }
    result[p] = den > 0 ? sum / den : fallback[p]!;
  }
  return result;
};
