import { describe, expect, it } from 'vitest';
import { type Adapter, makeLayout } from '../../../src/adapter/layout.js';
import { checkReadBack } from '../../../src/export/index.js';

const shape = { layer: 0, inDim: 3, outDim: 2, rank: 2, scale: 0.5 } as const;
const layout = makeLayout([
  { ...shape, module: 'blk.0.attn_q', target: 'attn_q' },
  { ...shape, module: 'blk.0.attn_v', target: 'attn_v' },
]);
const written: Adapter = { layout, values: Float32Array.from({ length: layout.size }, (_, i) => i - 7), mask: null };

/** The same product with the scale in B, as GGUF files have it. */
function folded(factor: number): Adapter {
  const other = makeLayout(
    layout.modules.map(({ offsetA: _a, offsetB: _b, ...one }) => ({ ...one, scale: one.scale / factor })),
  );
  const values = written.values.map((value, i) =>
    layout.modules.some(({ offsetB, outDim, rank }) => i >= offsetB && i < offsetB + outDim * rank)
      ? value * factor
      : value,
  );
  return { layout: other, values, mask: null };
}

describe('an export that is read back', () => {
  it('passes where it is the same, the scale folded into B or not', () => {
    expect(() => checkReadBack(written, written, 'x')).not.toThrow();
    expect(() => checkReadBack(written, folded(3.7), 'x')).not.toThrow();
  });

  it.each(
    layout.modules.flatMap(
      ({ module, offsetA, offsetB }) =>
        [
          [module, 'A', offsetA],
          [module, 'B', offsetB],
        ] as const,
    ),
  )('fails where %s has another %s', (module, factor, at) => {
    const values = written.values.slice();
    values[at]! += 0.01;
    expect(() => checkReadBack(written, { ...written, values }, 'x')).toThrow(
      new RegExp(`${module.replaceAll('.', '\\.')} .* has another ${factor}`),
    );
  });

  it('fails where a module is missing, or one is there that was not written', () => {
    const one = makeLayout([{ ...shape, module: 'blk.0.attn_q', target: 'attn_q' }]);
    const part: Adapter = { layout: one, values: written.values.slice(0, one.size), mask: null };
    expect(() => checkReadBack(written, part, 'x')).toThrow(/attn_v .*is missing/);
    expect(() => checkReadBack(part, written, 'x')).toThrow(/holds 2 modules but 1/);
  });
});
