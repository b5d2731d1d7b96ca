import { type AdapterLayout, type LayoutModule, makeLayout } from '../adapter/layout.js';
import type { MergeRow } from './mean.js';
import { type Gram, gram as plainGram } from './products.js';

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

/** A row of A or a column of B of each component of the rows, one row's components after the other's. */
function componentsOf(rows: readonly Float32Array[], module: LayoutModule) {
  const { rank, inDim, outDim, offsetA, offsetB } = module;
  const components = rows.flatMap((values) => Array.from({ length: rank }, (_, c) => ({ values, c })));
  const a = components.map(({ values, c }) => values.subarray(offsetA + c * inDim, offsetA + (c + 1) * inDim));
  const b = components.map(({ values, c }) => {
    const column = new Float32Array(outDim);
    for (let row = 0; row < outDim; row++) column[row] = values[offsetB + row * rank + c]!;
    return column;
  });
  return { a, b };
}

/** <sum x_i b_i a_i, sum y_j b_j a_j> of components with weights x and y, through the inner products of all a and of all b. */
function inner(x: Float64Array, y: Float64Array, ofA: Float64Array, ofB: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    let part = 0;
    for (let j = 0; j < y.length; j++) part += y[j]! * ofA[i * y.length + j]! * ofB[i * y.length + j]!;
    sum += x[i]! * part;
  }
  return sum;
}

/**
 * How far the product of the merged factors is from the mean of the clients' products (p_i = weight / sum of weights).
 * Through inner products of the components (columns of B, rows of A), over all modules of `layout`.
 */
export function aggregationError(
  { modules }: AdapterLayout,
  rows: readonly MergeRow[],
  merged: Float32Array,
  gram: Gram = plainGram,
): AggregationError {
  const total = rows.reduce((sum, row) => sum + row.weight, 0);
  let error = 0;
  let norm = 0;
  for (const module of modules) {
    const { a, b } = componentsOf([...rows.map(({ values }) => values), merged], module);
    const [ofA, ofB] = [gram(a), gram(b)];
    const clients = Float64Array.from(a, (_, i) => (rows[Math.floor(i / module.rank)]?.weight ?? 0) / total);
    const own = Float64Array.from(a, (_, i) => (i < rows.length * module.rank ? 0 : 1));
    const mean = Math.max(0, inner(clients, clients, ofA, ofB));
    norm += mean;
    // ||S - M||^2 with what is known of S already
    error += Math.max(0, mean - 2 * inner(clients, own, ofA, ofB) + inner(own, own, ofA, ofB));
  }
  return { relative: norm > 0 ? Math.sqrt(error / norm) : 0, modules: modules.length };
}
