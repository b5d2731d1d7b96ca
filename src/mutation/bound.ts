import type { Arithmetic } from '../merge/arithmetic.js';
import type { Range } from '../merge/products.js';
import type { MutationOptions } from './options.js';

/** A global step that no mutation makes too long. */
export interface BoundedStep {
  readonly g: Float32Array;
  /** Ranges that were shortened. */
  readonly bounded: number;
}

/**
 * The global step with `alpha` |g| at most `mutation_bound` |theta| in every range. It is shortened before signs are put to it, so
 * that mutations still cancel, and projections are made with what is left of it.
 */
export function boundStep(
  g: Float32Array,
  theta: Float32Array,
  ranges: readonly Range[],
  { alpha, mutation_bound: share }: Pick<MutationOptions, 'alpha' | 'mutation_bound'>,
  { gram }: Pick<Arithmetic, 'gram'>,
): BoundedStep {
  if (share === null) return { g, bounded: 0 };
  const lengths = gram([g], { ranges });
  const norms = gram([theta], { ranges });
  const factors = ranges.map((_, r) => (share / alpha) * Math.sqrt(norms[r]! / lengths[r]!));
  const bounded = factors.filter((factor) => factor < 1).length;
  if (bounded === 0) return { g, bounded };
  const result = g.slice();
  ranges.forEach(({ start, end }, r) => {
    const factor = factors[r]!;
    if (factor < 1) for (let p = start; p < end; p++) result[p]! *= factor;
  });
  return { g: result, bounded };
}
