import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Base, dequantize, Trainer } from '../../src/native/engine.js';
import { makeTinyModel, tinyBatch } from '../support/tinyModel.js';

// Safetensors promise no alignment: a header of any length comes before the values.
describe('values at odd places', () => {
  it.each([1, 2, 3])('of a file, %i bytes further, give the same scores', (shift) => {
    const description = makeTinyModel();
    const shifted = `${description.files[0]!}.shifted`;
    writeFileSync(shifted, Buffer.concat([Buffer.alloc(shift), readFileSync(description.files[0]!)]));
    const tensors = description.tensors.map((tensor) => ({ ...tensor, offset: tensor.offset + shift }));
    const [straight, odd] = [description, { ...description, files: [shifted], tensors }].map((d) => {
      using base = new Base({ description: d, precision: 'f32' });
      using trainer = new Trainer({ base, modules: [{ module: 'blk.0.attn_q', rank: 2, scale: 1 }] });
      return trainer.evaluate(tinyBatch(), { all: true }).nll;
    });
    expect(odd).toEqual(straight);
  });

  // type, bytes a block, values a block: F32, F16, Q4_0, Q8_0, Q4_K, Q6_K, BF16
  it.each([
    [0, 4, 1],
    [1, 2, 1],
    [2, 18, 32],
    [8, 34, 32],
    [12, 144, 256],
    [14, 210, 256],
    [30, 2, 1],
  ])('of ggml type %i are read as those at even ones', (type, blockBytes, block) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2 * blockBytes, maxLength: 2 * blockBytes }), fc.nat(7), (data, shift) => {
        const buffer = new Uint8Array(data.length + 8);
        buffer.set(data, shift);
        const odd = buffer.subarray(shift, shift + data.length);
        expect(dequantize(type, odd, 2 * block)).toEqual(dequantize(type, data.slice(), 2 * block));
      }),
      { numRuns: 50 },
    );
  });
});
