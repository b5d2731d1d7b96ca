import { type AdapterLayout, type LayoutModule, makeLayout } from '../adapter/layout.js';
import { type ProductTerm, productInner, productNormSquared } from './gram.js';
import type { MergeRow } from './mean.js';

export interface AggregationError {
  /** ||sum p_i B_i A_i - B A||_F / ||sum p_i B_i A_i||_F over the measured modules; 0 where all products are 0. */
  readonly relative: number;
  /** Modules measured, evenly spread over the layers. */
  readonly modules: number;
}

/** Multiply-adds that a round may spend on this figure, so that it stays bookkeeping. */
const WORK_LIMIT = 5e7;

function work(rows: number, { rank, inDim, outDim }: LayoutModule): number {
  return ((rows + 1) * rank) ** 2 * (inDim + outDim) * 0.5;
}

/** What of an adapter the figure is taken of. */
export interface Measured {
  /** The measured modules alone. */
  readonly layout: AdapterLayout;
  /** A copy of their entries. */
  take(values: Float32Array): Float32Array;
}

/** The modules that are measured where up to so many clients take part: all of small adapters, every n-th of large ones. */
export function measuredModules(clients: number, { modules }: AdapterLayout): Measured {
  const total = modules.reduce((sum, module) => sum + work(clients, module), 0);
  const stride = Math.max(1, Math.ceil(total / WORK_LIMIT));
  const from = modules.filter((_, index) => index % stride === 0);
  const layout = makeLayout(from);
  const take = (values: Float32Array): Float32Array => {
    const taken = new Float32Array(layout.size);
    // A and B of a module lie one behind the other.
    layout.modules.forEach(({ offsetA, inDim, outDim, rank }, i) => {
      const start = from[i]!.offsetA;
      taken.set(values.subarray(start, start + rank * (inDim + outDim)), offsetA);
    });
    return taken;
  };
  return { layout, take };
}

/**
 * How far the product of the merged factors is from the mean of the clients' products (p_i = weight / sum of weights).
 * Through Gram matrices of rank x rank, over all modules of `layout`.
 */
export function aggregationError(
  { modules }: AdapterLayout,
  rows: readonly MergeRow[],
  merged: Float32Array,
): AggregationError {
  const total = rows.reduce((sum, row) => sum + row.weight, 0);
  let error = 0;
  let norm = 0;
  for (const module of modules) {
    const terms: ProductTerm[] = rows.map(({ values, weight }) => ({ values, module, weight: weight / total }));
    const own = { values: merged, module, weight: 1 };
    const mean = productNormSquared(terms);
    const both = terms.reduce((sum, term) => sum + term.weight * productInner(term, own), 0);
    norm += mean;
    // ||S - M||^2 with what is known of S already
    error += Math.max(0, mean - 2 * both + productNormSquared([own]));
  }
  return { relative: norm > 0 ? Math.sqrt(error / norm) : 0, modules: modules.length };
}
