import { type DenseAdapter, gatherComponents, selectComponents } from '../adapter/components.js';
import { type AdapterLayout, type LayoutModule, withRanks } from '../adapter/layout.js';
import type { Arithmetic } from './arithmetic.js';
import { orthogonalize, topEigenvectors } from './eigen.js';
import { type ProductSummand, stackComponents, summandsOf, type WeightedAdapter } from './productSum.js';

/** A singular value below this share of the largest is 0: float32 holds no more of a product. */
const LOST = 1e-7;

/** The rows of a product (out x in), or its columns where these are fewer; in float32, as an adapter could hold them. */
function linesOf(product: Float64Array, { inDim, outDim }: LayoutModule): Float32Array[] {
  if (outDim <= inDim) {
    return Array.from({ length: outDim }, (_, row) =>
      Float32Array.from(product.subarray(row * inDim, (row + 1) * inDim)),
    );
  }
  const columns = Array.from({ length: inDim }, () => new Float32Array(outDim));
  for (let row = 0; row < outDim; row++) for (let i = 0; i < inDim; i++) columns[i]![row] = product[row * inDim + i]!;
  return columns;
}

function weightedSum(lines: readonly Float32Array[], weights: Float64Array): Float64Array {
  const sum = new Float64Array(lines[0]!.length);
  lines.forEach((line, k) => {
    const weight = weights[k]!;
    for (let i = 0; i < sum.length; i++) sum[i]! += weight * line[i]!;
  });
  return sum;
}

/** A unit vector orthogonal to all others. */
function anotherDirection(length: number, others: readonly Float64Array[]): Float64Array {
  for (let i = 0; ; i++) {
    const unit = new Float64Array(length);
    unit[i] = 1;
    // Fewer others than entries leave at least one unit vector that is mostly outside of their span.
    const rest = orthogonalize(unit, others);
    if (rest ** 2 >= (length - others.length) / (2 * length)) return unit.map((x) => x / rest);
  }
}

/**
 * The best approximation of a product of a given rank (Eckart-Young): its singular vectors on the smaller side are the
 * eigenvectors of its Gram matrix there, and a product with them gives those on the other side. B' = U S, A' = V
 * transposed, so that a component of singular value 0 has A' of unit norm and can still learn.
 */
function truncateProduct(product: Float64Array, result: Float32Array, to: LayoutModule, { gram }: Sums): void {
  const lines = linesOf(product, to);
  const count = Math.min(to.rank, lines.length);
  const isWide = to.outDim <= to.inDim;
  const far: Float64Array[] = [];
  let largest = 0;
  topEigenvectors({ size: lines.length, entries: gram(lines) }, count).forEach((near, c) => {
    const image = weightedSum(lines, near);
    const length = Math.sqrt(image.reduce((sum, x) => sum + x * x, 0));
    largest = Math.max(largest, length);
    const value = length > LOST * largest ? length : 0;
    far.push(value > 0 ? image.map((x) => x / value) : anotherDirection(image.length, far));
    const [left, right] = isWide ? [near, far[c]!] : [far[c]!, near];
    result.set(right, to.offsetA + c * to.inDim);
    for (let row = 0; row < to.outDim; row++) result[to.offsetB + row * to.rank + c] = value * left[row]!;
  });
}

type Sums = Pick<Arithmetic, 'productSum' | 'gram'>;

const smallerDim = ({ inDim, outDim }: LayoutModule): number => Math.min(inDim, outDim);

/** Writes every module of a sum of products, by its summands and how many components they have. */
function eachModule(
  adapters: readonly WeightedAdapter[],
  rankOf: (module: LayoutModule, components: number) => number,
  write: (summands: readonly ProductSummand[], components: number, result: Float32Array, to: LayoutModule) => void,
): DenseAdapter {
  const { layout } = adapters[0] as { readonly layout: AdapterLayout };
  const sums = layout.modules.map((_, index) => summandsOf(adapters, index));
  const components = sums.map((summands) => summands.reduce((sum, { rank }) => sum + rank, 0));
  let next = 0;
  const target = withRanks(layout, (module) => rankOf(module, components[next++]!));
  const values = new Float32Array(target.size);
  target.modules.forEach((to, index) => {
    write(sums[index]!, components[index]!, values, to);
  });
  return { layout: target, values };
}

/** The best approximation of every module's sum of products by one of at most `rank`, singular values falling. */
export function truncatedSum(
  adapters: readonly WeightedAdapter[],
  rank: (module: LayoutModule) => number,
  arithmetic: Sums,
): DenseAdapter {
  return eachModule(adapters, rank, (summands, _components, result, to) => {
    truncateProduct(arithmetic.productSum(summands, to.outDim, to.inDim), result, to, arithmetic);
  });
}

/** A product written as I (BA) or (BA) I, of rank min(out, in): exact but for one rounding to float32. */
function foldProduct(product: Float64Array, result: Float32Array, to: LayoutModule): void {
  const { inDim, outDim, rank, offsetA, offsetB } = to;
  const intoA = outDim <= inDim;
  result.set(product, intoA ? offsetA : offsetB);
  const [identity, columns] = intoA ? [offsetB, rank] : [offsetA, inDim];
  for (let c = 0; c < rank; c++) result[identity + c * columns + c] = 1;
}

/**
 * A sum of adapters' products as one adapter that holds it exactly: their components one after the other, and modules that
 * would pass rank min(in, out) at that rank, where one rounding to float32 is all that changes.
 */
export function sumOfAdapters(
  adapters: readonly WeightedAdapter[],
  { productSum }: Pick<Arithmetic, 'productSum'>,
): DenseAdapter {
  return eachModule(
    adapters,
    (module, components) => Math.min(components, smallerDim(module)),
    (summands, components, result, to) => {
      if (components > to.rank) foldProduct(productSum(summands, to.outDim, to.inDim), result, to);
      else stackComponents(summands, result, to);
    },
  );
}

/** Squared singular values of a module of a truncated sum, which are in the columns of its B. */
function energiesOf(values: Float32Array, { offsetB, outDim, rank }: LayoutModule): number[] {
  const energies = Array.from({ length: rank }, () => 0);
  for (let row = 0; row < outDim; row++) {
    for (let c = 0; c < rank; c++) energies[c]! += values[offsetB + row * rank + c]! ** 2;
  }
  return energies;
}

/** Of a truncated sum, the first components of each module that hold a share of its squared singular values; one at least. */
export function keepEnergy({ layout, values }: DenseAdapter, share: number): { adapter: DenseAdapter; kept: number } {
  let [kept, all] = [0, 0];
  const selection = selectComponents(layout, (module) => {
    const energies = energiesOf(values, module);
    const total = energies.reduce((sum, energy) => sum + energy, 0);
    let [held, count] = [energies[0]!, 1];
    while (count < energies.length && held < share * total) held += energies[count++]!;
    kept += held;
    all += total;
    return Array.from({ length: count }, (_, c) => c);
  });
  return {
    adapter: { layout: selection.to, values: gatherComponents(selection, values) },
    kept: all > 0 ? kept / all : 1,
  };
}
