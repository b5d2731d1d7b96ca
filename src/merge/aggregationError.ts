import type { AdapterLayout, LayoutModule } from '../adapter/layout.js';
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

function measuredModules(rows: number, layout: AdapterLayout): LayoutModule[] {
  const total = layout.modules.reduce((sum, module) => sum + work(rows, module), 0);
  const stride = Math.max(1, Math.ceil(total / WORK_LIMIT));
  return layout.modules.filter((_, index) => index % stride === 0);
}

/**
 * How far the product of the merged factors is from the mean of the clients' products (p_i = weight / sum of weights).
 * Through Gram matrices of rank x rank; on large adapters over every n-th module.
 */
export function aggregationError(
  layout: AdapterLayout,
  rows: readonly MergeRow[],
  merged: Float32Array,
): AggregationError {
  const total = rows.reduce((sum, row) => sum + row.weight, 0);
  const modules = measuredModules(rows.length, layout);
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
