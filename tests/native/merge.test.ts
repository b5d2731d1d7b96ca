import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeMean } from '../../src/merge/mean.js';
import { mergeMean as nativeMergeMean } from '../../src/native/engine.js';

const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 });

describe('the native merge', () => {
  it('is equal to the TypeScript one to the bit, for any rows, masks, weights and threads', () => {
    const rows = fc.integer({ min: 1, max: 9000 }).chain((size) =>
      fc.tuple(
        fc.array(
          fc.record({
            seed: fc.integer(),
            weight: fc.double({ min: 0, max: 600, noNaN: true }),
            masked: fc.boolean(),
            scale: value,
          }),
          { minLength: 1, maxLength: 6 },
        ),
        fc.constant(size),
        fc.integer({ min: 1, max: 3 }),
      ),
    );
    fc.assert(
      fc.property(rows, ([specs, size, threads]) => {
        const made = specs.map(({ seed, weight, masked, scale }) => ({
          weight,
          values: Float32Array.from({ length: size }, (_, i) => scale * Math.sin(i * 1.7 + seed)),
          mask: masked ? Uint8Array.from({ length: size }, (_, i) => (Math.imul(i + 1, seed | 1) >>> 7) & 1) : null,
        }));
        const fallback = Float32Array.from({ length: size }, (_, i) => i / 3);
        expect(nativeMergeMean(made, fallback, threads)).toEqual(mergeMean(made, fallback));
      }),
      { numRuns: 60 },
    );
  });
});
