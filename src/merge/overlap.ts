import { jaccard } from '../adapter/masks.js';
import type { Arithmetic } from './arithmetic.js';

/** Mean Jaccard overlap over all pairs of masks; 1 for a single one. */
export function meanOverlap(masks: readonly Uint8Array[], _arithmetic: Arithmetic): number {
  let sum = 0;
  let pairs = 0;
  masks.forEach((mask, i) => {
    for (const other of masks.slice(i + 1)) {
      sum += jaccard(mask, other);
      pairs++;
    }
  });
  return pairs === 0 ? 1 : sum / pairs;
}
