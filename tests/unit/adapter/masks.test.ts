import { describe, expect, it } from 'vitest';
import { checkAdapter, checkFinite } from '../../../src/adapter/check.js';
import { makeLayout } from '../../../src/adapter/layout.js';
import { countOnes, gather, intersectMasks, maskValues, scatter } from '../../../src/adapter/masks.js';
import fc from '../../support/properties.js';

/** Any float32, among them those that are not finite, and zeros of both signs; with a mask. */
const anyValue = fc.oneof(fc.float(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -0, 0, 3.4e38, 1e-45));
const entries = (value: fc.Arbitrary<number>) =>
  fc.array(fc.record({ value, bit: fc.constantFrom(0, 1), other: value }), { maxLength: 40 }).map((all) => ({
    values: Float32Array.from(all, ({ value }) => value),
    others: Float32Array.from(all, ({ other }) => other),
    mask: Uint8Array.from(all, ({ bit }) => bit),
  }));

describe('values and masks', () => {
  it('are what a branch for each entry makes of them, to the bit', () => {
    fc.assert(
      fc.property(entries(anyValue), ({ values, others, mask }) => {
        const kept = values.filter((_, p) => mask[p] === 1);
        expect(countOnes(mask)).toBe(kept.length);
        expect(maskValues(values, mask)).toEqual(values.map((value, p) => (mask[p] === 1 ? value : 0)));
        expect(gather(values, mask)).toEqual(kept);
        const scattered = others.slice();
        scatter(kept, mask, scattered);
        expect(scattered).toEqual(values.map((value, p) => (mask[p] === 1 ? value : others[p]!)));
      }),
    );
  });

  it('intersect', () => {
    const [a, b] = [Uint8Array.of(0, 0, 1, 1), Uint8Array.of(0, 1, 0, 1)];
    expect(intersectMasks(a, b)).toEqual(Uint8Array.of(0, 0, 0, 1));
    expect(intersectMasks(a, null)).toBe(a);
    expect(intersectMasks(null, b)).toBe(b);
  });
});

describe('a check', () => {
  const layoutOf = (size: number) =>
    makeLayout([{ module: 'm', layer: 0, target: 'attn_q', inDim: size - 1, outDim: 1, rank: 1, scale: 1 }]);
  const errorOf = (check: () => void) => {
    try {
      check();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return undefined;
  };

  it('finds what is not finite, and what is not 0 outside of the mask, wherever it is', () => {
    fc.assert(
      fc.property(
        entries(anyValue).filter(({ values }) => values.length > 1),
        ({ values, mask }) => {
          const allFinite = values.every(Number.isFinite);
          const isInside = values.every((value, p) => mask[p] === 1 || value === 0);
          const whole = { layout: layoutOf(values.length), values, mask: null };
          expect(errorOf(() => checkFinite(values, 'x', 'y'))).toBe(allFinite ? undefined : 'NON_FINITE');
          expect(errorOf(() => checkAdapter(whole, 'x'))).toBe(allFinite ? undefined : 'NON_FINITE');
          const inMask = errorOf(() => checkAdapter({ ...whole, mask }, 'x'));
          expect(inMask === undefined).toBe(allFinite && isInside);
          if (allFinite && !isInside) expect(inMask).toBe('MASK_VIOLATED');
        },
      ),
    );
  });
});
