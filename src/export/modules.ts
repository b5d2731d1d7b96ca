import {
  type Adapter,
  ALL_TARGETS,
  type LayoutModule,
  type ModuleShape,
  makeLayout,
  type Target,
} from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import type { ModelDescription } from '../native/binding.js';

/** Input and output dimension of one linear layer of a base. Throws AdapterError UNKNOWN_MODULE. */
export function moduleDims(description: ModelDescription, module: string): { inDim: number; outDim: number } {
  const tensor = description.tensors.find(({ name }) => name === `${module}.weight`);
  if (tensor === undefined) {
    throw new AdapterError(
      'UNKNOWN_MODULE',
      `Expected a linear layer of a base with ${description.numLayers} layers but the adapter has "${module}". ` +
        'It was made for another base.',
    );
  }
  return { inDim: tensor.ne[0]!, outDim: tensor.ne[1]! };
}

/** Throws AdapterError BAD_SHAPE, UNKNOWN_MODULE or NON_FINITE where the adapter does not fit the base. */
export function checkFits(adapter: Adapter, description: ModelDescription): void {
  for (const { module, inDim, outDim, scale } of adapter.layout.modules) {
    const expected = moduleDims(description, module);
    if (expected.inDim !== inDim || expected.outDim !== outDim) {
      throw new AdapterError(
        'BAD_SHAPE',
        `Expected ${module} to map ${expected.inDim} to ${expected.outDim} as in the base but the adapter has ${inDim} to ${outDim}.`,
      );
    }
    if (!(Number.isFinite(scale) && scale > 0)) {
      throw new AdapterError('BAD_SCALE', `Expected a positive scale for ${module} but received ${scale}.`);
    }
  }
  if (adapter.values.length !== adapter.layout.size) {
    throw new AdapterError(
      'BAD_SHAPE',
      `Expected ${adapter.layout.size} adapter values for this layout but received ${adapter.values.length}.`,
    );
  }
  const bad = adapter.values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new AdapterError(
      'NON_FINITE',
      `The adapter holds ${adapter.values[bad]} at entry ${bad}; it cannot be exported.`,
    );
  }
}

/** A (rank x in) and B (out x rank) of a module, as views. */
export function factors<T extends Float32Array | Uint8Array>(values: T, module: LayoutModule): { a: T; b: T } {
  const { offsetA, offsetB, rank, inDim, outDim } = module;
  return {
    a: values.subarray(offsetA, offsetA + rank * inDim) as T,
    b: values.subarray(offsetB, offsetB + outDim * rank) as T,
  };
}

/** Factors of one module on the way in. */
export interface ModuleFactors {
  readonly layer: number;
  readonly target: Target;
  readonly scale: number;
  readonly rank: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly maskA?: Uint8Array;
  readonly maskB?: Uint8Array;
}

/** Puts modules read from a file into the canonical order: layer by layer, target by target. */
export function assemble(parts: readonly ModuleFactors[], description: ModelDescription): Adapter {
  const sorted = [...parts].sort(
    (x, y) => x.layer - y.layer || ALL_TARGETS.indexOf(x.target) - ALL_TARGETS.indexOf(y.target),
  );
  const shapes: ModuleShape[] = sorted.map(({ layer, target, rank, scale }) => {
    const module = `blk.${layer}.${target}`;
    return { module, layer, target, rank, scale, ...moduleDims(description, module) };
  });
  const layout = makeLayout(shapes);
  const values = new Float32Array(layout.size);
  const mask = sorted.some((part) => part.maskA !== undefined) ? new Uint8Array(layout.size).fill(1) : null;
  layout.modules.forEach((module, i) => {
    const part = sorted[i]!;
    const { inDim, outDim, rank } = module;
    if (part.a.length !== rank * inDim || part.b.length !== outDim * rank) {
      throw new AdapterError(
        'BAD_SHAPE',
        `Expected A (${rank} x ${inDim}) and B (${outDim} x ${rank}) for ${module.module} ` +
          `but the file has ${part.a.length} and ${part.b.length} values.`,
      );
    }
    values.set(part.a, module.offsetA);
    values.set(part.b, module.offsetB);
    if (mask !== null && part.maskA !== undefined && part.maskB !== undefined) {
      mask.set(part.maskA, module.offsetA);
      mask.set(part.maskB, module.offsetB);
    }
  });
  return { layout, values, mask };
}

/** The most frequent key of `items`; the first one where several are as frequent. */
export function mostCommon<T>(items: readonly T[], key: (item: T) => string): T {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return items.reduce((best, item) => (counts.get(key(item))! > counts.get(key(best))! ? item : best));
}
