import type { MergeRow } from './mean.js';

/**
 * Adds weight * value to `sum` and, where it is given, the weight to `weights`, at the entries that the row has. A row with a mask
 * needs `weights`. Values are finite.
 */
export type AddRow = (sum: Float64Array, weights: Float64Array | null, row: MergeRow) => void;

export const addRow: AddRow = (sum, weights, { values, weight, mask }) => {
  for (let p = 0; p < sum.length; p++) {
    // Products instead of a branch, which a sparse mask would make a wrong guess of every other time.
    const own = mask === null ? 1 : mask[p]!;
    sum[p]! += weight * (own * values[p]!);
    if (weights !== null) weights[p]! += weight * own;
  }
};

/**
 * The mean of rows that come one after the other and need not be kept: to the bit that of `mergeMean`. Holds a float64 for each entry,
 * two once a row has a mask.
 */
export class RunningMean {
  readonly #addRow: AddRow;
  readonly #sum: Float64Array;
  /** Weight of each entry, once a row has a mask. */
  #weights: Float64Array | null = null;
  /** Weight of all rows; of every entry, as long as no row has a mask. */
  #weight = 0;

  constructor(size: number, add: AddRow = addRow) {
    this.#addRow = add;
    this.#sum = new Float64Array(size);
  }

  add(row: MergeRow): void {
    if (row.mask !== null) this.#weights ??= new Float64Array(this.#sum.length).fill(this.#weight);
    this.#addRow(this.#sum, this.#weights, row);
    this.#weight += row.weight;
  }

  /** Entries that no row covers take `fallback`. */
  mean(fallback: Float32Array): Float32Array {
    const [sum, weights, weight] = [this.#sum, this.#weights, this.#weight];
    const result = new Float32Array(sum.length);
    for (let p = 0; p < result.length; p++) {
      const of = weights === null ? weight : weights[p]!;
      result[p] = of > 0 ? sum[p]! / of : fallback[p]!;
    }
    return result;
  }
}
