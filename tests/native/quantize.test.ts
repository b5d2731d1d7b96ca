import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantize, quantize } from '../../src/native/engine.js';
import { halfToFloat } from '../../src/safetensors/read.js';

const [F32, F16, Q8_0, BF16] = [0, 1, 8, 30];
const words = (bytes: Uint8Array) => [...new Uint16Array(bytes.buffer)];

describe('quantize', () => {
  it('gives back every half, and rounds to the nearest, ties to even', () => {
    const halves = Array.from({ length: 0x7c00 }, (_, bits) => halfToFloat(bits));
    expect(words(quantize(F16, Float32Array.from(halves)))).toEqual(halves.map((_, bits) => bits));
    const middles = halves.slice(0, -1).map((half, bits) => (half + halves[bits + 1]!) / 2);
    const even = middles.map((_, bits) => bits + (bits % 2));
    expect(words(quantize(F16, Float32Array.from(middles)))).toEqual(even);
    expect(words(quantize(F16, Float32Array.of(-2, 1e6)))).toEqual([0xc000, 0x7c00]);
  });

  it('rounds to BF16 to the nearest, ties to even, and keeps F32', () => {
    expect(words(quantize(BF16, Float32Array.of(1, -1.5, 1 + 2 ** -8, 1 + 3 * 2 ** -8)))).toEqual([
      0x3f80, 0xbfc0, 0x3f80, 0x3f82,
    ]);
    const values = Float32Array.of(1.1, -2.2, 3e-40);
    expect(new Float32Array(quantize(F32, values).buffer)).toEqual(values);
  });

  it('to Q8_0 is off by half a step at most', () => {
    const block = fc.array(fc.float({ min: -1e4, max: 1e4, noNaN: true }), { minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(block, (drawn) => {
        const values = Float32Array.from(drawn);
        const back = dequantize(Q8_0, quantize(Q8_0, values), 64);
        for (let i = 0; i < 64; i++) {
          const largest = Math.max(...values.subarray(i & 32, (i & 32) + 32).map(Math.abs));
          // half a step, and the rounding of the step to a half (2^-11 of up to 127 steps; at least 2^-25)
          expect(Math.abs(back[i]! - values[i]!)).toBeLessThanOrEqual(
            largest * (0.501 / 127 + 2 ** -11) + 127 * 2 ** -25,
          );
        }
      }),
    );
  });

  // Q4_0, Q4_1, Q5_0, Q5_1, Q2_K .. Q6_K, IQ4_NL, IQ4_XS with their bits a weight
  it.each([
    [2, 4.5],
    [3, 5],
    [6, 5.5],
    [7, 6],
    [10, 2.625],
    [11, 3.4375],
    [12, 4.5],
    [13, 5.5],
    [14, 6.5625],
    [20, 4.5],
    [23, 4.25],
  ])('to type %i keeps most of the values', (type, bits) => {
    const values = Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i * 12.9898) * Math.cos(i * 3.7));
    const bytes = quantize(type, values);
    expect(bytes.length).toBe((1024 * bits) / 8);
    const error = dequantize(type, bytes, 1024).reduce((sum, value, i) => sum + (value - values[i]!) ** 2, 0);
    const norm = values.reduce((sum, value) => sum + value ** 2, 0);
    expect(Math.sqrt(error / norm)).toBeLessThan(0.6 * 2 ** (2 - bits) + 0.02);
  });

  it('gives typed errors for what ggml would end the process on', () => {
    const codeOf = (type: number, values: Float32Array) => {
      try {
        return quantize(type, values).length;
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    // every number of a type, those that need an importance matrix and those for products only among them
    for (let type = 0; type < 64; type++) expect(codeOf(type, new Float32Array(256))).toSatisfy(known, `${type}`);
    expect(codeOf(16, new Float32Array(256))).toBe('UNSUPPORTED_TYPE');
    expect(codeOf(9, new Float32Array(32))).toBe('UNSUPPORTED_TYPE');
    expect(codeOf(999, new Float32Array(32))).toBe('UNSUPPORTED_TYPE');
    expect(codeOf(Q8_0, new Float32Array(33))).toBe('BAD_SHAPE');
    expect(codeOf(Q8_0, new Float32Array(32).fill(Number.NaN))).toBe('NON_FINITE');
    expect(codeOf(F16, Float32Array.of(Number.POSITIVE_INFINITY))).toBe('NON_FINITE');
    expect(codeOf(Q8_0, new Float32Array(0))).toBe(0);
  });
});

const known = (result: unknown) => typeof result === 'number' || result === 'UNSUPPORTED_TYPE';
