import type { AdapterLayout, LayoutModule } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';

/** What one stage of pruning ranks: single entries, or whole rank components (a row of A with its column of B). */
export type PruneUnit = 'element' | 'rank';

type Of = (values: readonly number[]) => number;

/** The module's entries of a component in A, or in B, in order. */
function entriesOf(module: LayoutModule, component: number, factor: 'A' | 'B'): number[] {
  const { offsetA, offsetB, inDim, outDim, rank } = module;
  return factor === 'A'
    ? Array.from({ length: inDim }, (_, i) => offsetA + component * inDim + i)
    : Array.from({ length: outDim }, (_, row) => offsetB + row * rank + component);
}

/** One score a component, module after module. */
function perComponent(layout: AdapterLayout, score: (module: LayoutModule, component: number) => number): Float64Array {
  return Float64Array.from(
    layout.modules.flatMap((module) => Array.from({ length: module.rank }, (_, c) => score(module, c))),
  );
}

/**
 * First-order effect on the loss of taking a unit out, |theta g| in float64. A component's is |sum of theta g| over its column of
 * B: the product scales alike with its row of A and its column of B, so the sum over A is the same number, with more noise.
 */
export function taylorScores(
  layout: AdapterLayout,
  values: Float32Array,
  gradient: Float32Array,
  unit: PruneUnit,
): Float64Array {
  if (unit === 'element') {
    // A loop: `from` would first list millions of values as objects.
    const scores = new Float64Array(values.length);
    for (let p = 0; p < scores.length; p++) scores[p] = Math.abs(values[p]! * gradient[p]!);
    return scores;
  }
  return perComponent(layout, (module, c) =>
    Math.abs(entriesOf(module, c, 'B').reduce((sum, p) => sum + values[p]! * gradient[p]!, 0)),
  );
}

const norm: Of = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/**
 * Size of a unit. An entry's is |theta| over the root mean square of its factor in its module, so that A and B compare; a
 * component's is the Frobenius norm of its product. Throws AdapterError EQUAL_SCORES where a factor is all 0.
 */
export function magnitudeScores(layout: AdapterLayout, values: Float32Array, unit: PruneUnit): Float64Array {
  if (unit === 'rank') {
    const normOf = (module: LayoutModule, c: number, factor: 'A' | 'B') =>
      norm(entriesOf(module, c, factor).map((p) => values[p]!));
    return perComponent(layout, (module, c) => normOf(module, c, 'A') * normOf(module, c, 'B'));
  }
  const scores = new Float64Array(layout.size);
  for (const { module, offsetA, offsetB, outDim, rank } of layout.modules) {
    for (const [start, end] of [
      [offsetA, offsetB],
      [offsetB, offsetB + outDim * rank],
    ] as const) {
      let squares = 0;
      for (let p = start; p < end; p++) squares += values[p]! * values[p]!;
      if (squares === 0) {
        throw new AdapterError(
          'EQUAL_SCORES',
          `Expected magnitudes that differ but a factor of ${module} is all 0; raise warmup_steps (a fresh adapter has B = 0).`,
        );
      }
      const scale = Math.sqrt(squares / (end - start));
      for (let p = start; p < end; p++) scores[p] = Math.abs(values[p]!) / scale;
    }
  }
  return scores;
}

/** A number by chance for each unit: the control that a search has to beat. */
export function randomScores(layout: AdapterLayout, unit: PruneUnit, random: () => number): Float64Array {
  const count = unit === 'element' ? layout.size : layout.modules.reduce((sum, { rank }) => sum + rank, 0);
  return Float64Array.from({ length: count }, random);
}
