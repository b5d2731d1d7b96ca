import type { AdapterLayout } from './layout.js';

/** float32 value, gradient and two Adam moments of one trainable entry. */
const BYTES_PER_ENTRY = 16;

/** Entries that a budget of `rank` allows: rank * (in + out), over all modules. */
export function budgetEntries(layout: AdapterLayout, rank: number): number {
  return layout.modules.reduce((sum, { inDim, outDim }) => sum + rank * (inDim + outDim), 0);
}

/**
 * The largest rank whose values, gradients and optimizer moments fit in `megabytes` (1 MB = 2^20 bytes); at least 1.
 * The base model and activations are not part of this budget.
 */
export function rankForMemory(layout: AdapterLayout, megabytes: number): number {
  return Math.max(1, Math.floor((megabytes * 2 ** 20) / (BYTES_PER_ENTRY * budgetEntries(layout, 1))));
}
