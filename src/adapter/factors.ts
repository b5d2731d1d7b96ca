import type { AdapterLayout } from './layout.js';

/** Which factors of an adapter something is about. */
export type Factors = 'A' | 'B' | 'both';

/** One byte an entry: 1 where it belongs to the factors; null for both. */
export function factorMask(layout: AdapterLayout, factors: Factors): Uint8Array | null {
  if (factors === 'both') return null;
  const mask = new Uint8Array(layout.size);
  for (const { offsetA, offsetB, outDim, rank } of layout.modules) {
    if (factors === 'A') mask.fill(1, offsetA, offsetB);
    else mask.fill(1, offsetB, offsetB + outDim * rank);
  }
  return mask;
}
