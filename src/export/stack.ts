import { type Adapter, makeLayout } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import { factors } from './modules.js';

/**
 * One adapter that computes the sum of two on the same modules: ranks add up, the scale is that of `first`, and the ratio
 * of the scales goes into the second B. Exports a trained adapter together with a frozen low-rank branch (flora,
 * fedex-lora). Masks are dropped: a frozen branch has none.
 *
 * Throws AdapterError BAD_LAYOUT where the modules differ.
 */
export function stackAdapters(first: Adapter, second: Adapter): Adapter {
  const others = new Map(second.layout.modules.map((module) => [module.module, module]));
  const pairs = first.layout.modules.map((module) => ({ module, other: others.get(module.module) }));
  const extra = second.layout.modules.filter(({ module }) => !first.layout.modules.some((m) => m.module === module));
  if (extra.length > 0) {
    throw new AdapterError(
      'BAD_LAYOUT',
      `Expected a branch on the modules of the adapter but it has ${extra[0]!.module} too.`,
    );
  }
  const layout = makeLayout(
    pairs.map(({ module: { offsetA: _a, offsetB: _b, ...shape }, other }) => ({
      ...shape,
      rank: shape.rank + (other?.rank ?? 0),
    })),
  );
  const values = new Float32Array(layout.size);
  layout.modules.forEach((stacked, i) => {
    const { module, other } = pairs[i]!;
    const out = factors(values, stacked);
    const one = factors(first.values, module);
    out.a.set(one.a);
    copyColumns(one.b, module.rank, out.b, stacked.rank, 0, 1);
    if (other === undefined) return;
    const two = factors(second.values, other);
    out.a.set(two.a, module.rank * module.inDim);
    copyColumns(two.b, other.rank, out.b, stacked.rank, module.rank, other.scale / module.scale);
  });
  return { layout, values, mask: null };
}

/** Columns of `from` (n x width) times `factor` into `to` (n x toWidth), starting at column `at`. */
function copyColumns(
  from: Float32Array,
  width: number,
  to: Float32Array,
  toWidth: number,
  at: number,
  factor: number,
): void {
  for (let i = 0; i < from.length; i++) {
    const row = Math.floor(i / width);
    to[row * toWidth + at + (i - row * width)] = from[i]! * factor;
  }
}
