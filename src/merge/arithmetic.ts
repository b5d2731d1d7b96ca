import { type MergeMean, mergeMean } from './mean.js';

/**
 * Sums over the adapters of many clients, which grow with clients x entries. The engine has them natively; these here are
 * the plain ones, equal to the bit.
 */
export interface Arithmetic {
  readonly mean: MergeMean;
}

export const plainArithmetic: Arithmetic = { mean: mergeMean };
