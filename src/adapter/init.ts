import type { ModelDescription } from '../native/binding.js';
import { randomStream } from '../random.js';
import { type AdapterLayout, withRanks } from './layout.js';
import { layoutFor } from './shapes.js';

/**
 * A fresh adapter: A Kaiming-uniform with a = sqrt(5), as PEFT has it, that is U(-1/sqrt(in), 1/sqrt(in)); B zero.
 * Each module draws its rows from a stream of its own, so that the first rows are the same at every rank.
 */
export function initialValues(
  layout: AdapterLayout,
  seed: number,
  ...labels: readonly (string | number)[]
): Float32Array {
  const values = new Float32Array(layout.size);
  for (const { module, rank, inDim, offsetA } of layout.modules) {
    const random = randomStream(seed, 'lora-init', module, ...labels);
    const bound = 1 / Math.sqrt(inDim);
    for (let i = 0; i < rank * inDim; i++) values[offsetA + i] = (2 * random() - 1) * bound;
  }
  return values;
}

/** What the adapters of a run begin as, by keys of its run file. */
export interface Beginning {
  readonly target_modules: readonly string[];
  readonly lora_r: number;
  readonly lora_alpha: number;
  readonly use_rslora: boolean;
  readonly seed: number;
}

/**
 * Layout and fresh values of a run's adapters on its base: server and owners each make them for themselves, and they are equal. The
 * values are made when they are asked for, as an owner seldom does. Throws AdapterError.
 */
export function beginAdapter(
  description: ModelDescription,
  { target_modules: targets, lora_r: rank, lora_alpha: alpha, use_rslora: rslora, seed }: Beginning,
): { readonly layout: AdapterLayout; readonly initial: Float32Array } {
  const layout = layoutFor(description, { targets, rank, alpha, rslora });
  let made: Float32Array | undefined;
  return {
    layout,
    get initial() {
      made ??= initialValues(layout, seed);
      return made;
    },
  };
}

/** An adapter in a space of more ranks. */
export interface Expanded {
  readonly layout: AdapterLayout;
  readonly values: Float32Array;
}

/**
 * The same function with more rank components (PerFIT, step 1): new rows of A as a fresh adapter of that rank has them,
 * new columns of B zero; `scale` stays. Equal for everybody who knows the seed.
 */
export function expandRanks(
  layout: AdapterLayout,
  values: Float32Array,
  rank: (moduleRank: number) => number,
  seed: number,
): Expanded {
  const target = withRanks(layout, (module) => Math.max(module.rank, rank(module.rank)));
  const expanded = initialValues(target, seed);
  layout.modules.forEach((from, index) => {
    const to = target.modules[index]!;
    expanded.set(values.subarray(from.offsetA, from.offsetA + from.rank * from.inDim), to.offsetA);
    for (let row = 0; row < from.outDim; row++) {
      const start = from.offsetB + row * from.rank;
      expanded.set(values.subarray(start, start + from.rank), to.offsetB + row * to.rank);
    }
  });
  return { layout: target, values: expanded };
}
