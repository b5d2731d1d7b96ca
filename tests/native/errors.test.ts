import { truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EngineError, ModelError } from '../../src/errors.js';
import type { MergeRow, ModelDescription } from '../../src/native/binding.js';
import { Base, Trainer } from '../../src/native/engine.js';
import { loadBinding } from '../../src/native/load.js';
import { gram, maskOverlaps, mergeMean, productSum, sortedMean, sumCombinations } from '../../src/native/merges.js';
import { makeTinyModel, tinyBatch } from '../support/tinyModel.js';

const open = (description: ModelDescription = makeTinyModel()) => new Base({ description, precision: 'f32' });
const spec = { module: 'blk.0.attn_q', rank: 2, scale: 1 };
const train = (modules = [spec]) => new Trainer({ base: open(), modules });

function failure(call: () => unknown): EngineError | ModelError {
  try {
    call();
  } catch (error) {
    if (error instanceof EngineError || error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

const without = (d: ModelDescription, name: string) => ({ ...d, tensors: d.tensors.filter((t) => t.name !== name) });
const changed = (d: ModelDescription, name: string, change: object) => ({
  ...d,
  tensors: d.tensors.map((t) => (t.name === name ? { ...t, ...change } : t)),
});
const q = 'blk.0.attn_q.weight';

describe('a bad base', () => {
  it.each<[string, string, (d: ModelDescription) => ModelDescription]>([
    ['a missing tensor', 'MISSING_TENSOR', (d) => without(d, q)],
    ['a wrong shape', 'BAD_SHAPE', (d) => changed(d, q, { ne: [24, 25] })],
    ['a tensor past the end', 'TRUNCATED', (d) => changed(d, q, { offset: 2 ** 40 })],
    ['a type that ggml does not know', 'UNSUPPORTED_TYPE', (d) => changed(d, q, { type: 999 })],
    ['rows that are no whole blocks', 'BAD_SHAPE', (d) => changed(d, q, { type: 8 })],
    ['bytes that its type and shape do not make', 'BAD_SHAPE', (d) => changed(d, q, { bytes: 24 * 24 * 4 - 1 })],
    ['a file that is not listed', 'BAD_MODEL', (d) => changed(d, q, { file: 3 })],
    ['a file that is not there', 'BAD_MODEL', (d) => ({ ...d, files: ['/nowhere/model.gguf'] })],
    ['heads that do not divide', 'BAD_MODEL', (d) => ({ ...d, numKvHeads: 3 })],
    ['a feature value that the engine lacks', 'UNSUPPORTED_FEATURE', (d) => ({ ...d, qkNorm: 'layer' as 'head' })],
    ['a feature that the engine does not know', 'UNSUPPORTED_FEATURE', (d) => ({ ...d, alibiSlopes: [1] })],
    [
      'a layer with an unknown feature',
      'UNSUPPORTED_FEATURE',
      (d) => ({ ...d, layers: d.layers.map((l) => ({ ...l, experts: 8 })) }),
    ],
    ['a layer too few', 'BAD_MODEL', (d) => ({ ...d, layers: d.layers.slice(1) })],
    [
      'a layer with a RoPE table that is not there',
      'BAD_MODEL',
      (d) => ({ ...d, layers: d.layers.map(() => ({ rope: 1 })) }),
    ],
    ['a vocabulary of nothing', 'BAD_MODEL', (d) => ({ ...d, vocabSize: 0 })],
  ])('%s is %s', (_, code, change) => {
    const error = failure(() => open(change(makeTinyModel())));
    expect(error).toBeInstanceOf(ModelError);
    expect(error.code).toBe(code);
  });

  it('is found when the file was cut short', () => {
    const description = makeTinyModel();
    truncateSync(description.files[0]!, 1000);
    expect(failure(() => open(description)).code).toBe('TRUNCATED');
  });

  it('names kernels that are not there', () => {
    const error = failure(() => new Base({ description: makeTinyModel(), kernels: 'sve' as 'auto' }));
    expect(error.code).toBe('UNSUPPORTED_CPU');
  });
});

describe('a bad adapter', () => {
  it.each([
    ['a rank of 0', 'BAD_RANK', [{ ...spec, rank: 0 }]],
    ['a negative rank', 'BAD_RANK', [{ ...spec, rank: -1 }]],
    ['an unknown module', 'BAD_ARGUMENT', [{ ...spec, module: 'blk.0.attn_x' }]],
    ['a layer too many', 'BAD_ARGUMENT', [{ ...spec, module: 'blk.2.attn_q' }]],
    ['a module named twice', 'BAD_ARGUMENT', [spec, spec]],
    ['a scale that is no number', 'BAD_ARGUMENT', [{ ...spec, scale: Number.NaN }]],
    ['a scale beyond single precision', 'BAD_ARGUMENT', [{ ...spec, scale: 1e39 }]],
  ])('%s is %s', (_, code, modules) => {
    expect(failure(() => train(modules)).code).toBe(code);
  });

  it('refuses dropout of all, also where single precision makes it so', () => {
    for (const dropout of [1, 1 - 1e-12, -0.1]) {
      const error = failure(() => new Trainer({ base: open(), modules: [spec], dropout }));
      expect(error).toMatchObject({ code: 'BAD_ARGUMENT', message: expect.stringContaining('dropout in [0, 1)') });
    }
  });

  it('refuses NaN, infinity and a wrong length', () => {
    const trainer = train();
    const values = trainer.getValues();
    expect(failure(() => trainer.setValues(values.map(() => Number.NaN))).code).toBe('NON_FINITE');
    expect(failure(() => trainer.setValues(values.map(() => Number.POSITIVE_INFINITY))).code).toBe('NON_FINITE');
    expect(failure(() => trainer.setValues(values.subarray(1))).code).toBe('BAD_ARGUMENT');
    expect(failure(() => trainer.setValues(Float64Array.from(values) as never)).code).toBe('BAD_ARGUMENT');
    expect(failure(() => trainer.setTrainable(new Uint8Array(3))).code).toBe('BAD_ARGUMENT');
    expect(trainer.getValues()).toEqual(values);
  });
});

describe('a bad batch', () => {
  const batch = tinyBatch();
  it.each([
    ['a token outside the vocabulary', 'TOKEN_RANGE', { ...batch, tokens: batch.tokens.map(() => 50) }],
    ['a negative token', 'TOKEN_RANGE', { ...batch, tokens: batch.tokens.map(() => -1) }],
    ['a mask without targets', 'NO_TARGETS', { ...batch, lossMask: batch.lossMask.map(() => 0) }],
    ['lengths that do not add up', 'BAD_ARGUMENT', { ...batch, lengths: Int32Array.of(9, 1, 13) }],
    ['a length of nothing', 'BAD_ARGUMENT', { ...batch, lengths: Int32Array.of(24, 0) }],
    ['a mask of another length', 'BAD_ARGUMENT', { ...batch, lossMask: new Uint8Array(3) }],
    [
      'a sequence over the context',
      'CONTEXT_LENGTH',
      { tokens: new Int32Array(65), lossMask: new Uint8Array(65).fill(1), lengths: Int32Array.of(65) },
    ],
    ['no tokens', 'BAD_ARGUMENT', { tokens: new Int32Array(), lossMask: new Uint8Array(), lengths: new Int32Array() }],
  ])('%s is %s', (_, code, bad) => {
    const trainer = train();
    expect(failure(() => trainer.step([bad], { learningRate: 1e-3 })).code).toBe(code);
    expect(trainer.step([batch], { learningRate: 1e-3 }).loss).toBeGreaterThan(0);
  });

  it('refuses options that make no sense', () => {
    const trainer = train();
    expect(failure(() => trainer.step([batch], { learningRate: Number.NaN })).code).toBe('BAD_ARGUMENT');
    expect(failure(() => trainer.step([batch], { learningRate: -1 })).code).toBe('BAD_ARGUMENT');
    expect(failure(() => trainer.step([batch], { learningRate: 1e39 })).code).toBe('BAD_ARGUMENT');
    expect(failure(() => trainer.step([batch], { learningRate: 1, beta1: 1 })).code).toBe('BAD_ARGUMENT');
    expect(failure(() => trainer.step([batch], { learningRate: 1, proxMu: 1 })).code).toBe('BAD_ARGUMENT');
    expect(failure(() => trainer.step([], { learningRate: 1 })).code).toBe('BAD_ARGUMENT');
    expect(failure(() => trainer.step({} as never, { learningRate: 1 })).code).toBe('BAD_ARGUMENT');
  });

  it('reports a loss that left the numbers, and stays usable', () => {
    const trainer = train();
    const values = trainer.getValues();
    trainer.setValues(values.map(() => 3e38));
    expect(failure(() => trainer.step([batch], { learningRate: 1e-3 })).code).toBe('NON_FINITE');
    trainer.setValues(values);
    expect(trainer.step([batch], { learningRate: 1e-3 }).loss).toBeGreaterThan(0);
  });
});

// What an argument's getter runs may take the memory of an array away that was read before it.
describe('an array that is gone by the time of the call', () => {
  const gone = <T extends { readonly buffer: ArrayBufferLike }>(array: T) =>
    structuredClone(array, { transfer: [array.buffer as ArrayBuffer] });
  const wanted = expect.objectContaining({ code: 'BAD_ARGUMENT', message: expect.stringMatching(/but received 0\.$/) });
  const row = (values: Float32Array, taken: Float32Array): MergeRow => ({
    values,
    mask: null,
    get weight() {
      return gone(taken) && 1;
    },
  });

  it('is an error of a merge', () => {
    for (const merge of [mergeMean, (rows: MergeRow[], to: Float32Array) => sortedMean(rows, to, () => 0)]) {
      const [a, b] = [new Float32Array(9), new Float32Array(9)];
      expect(() => merge([row(a, b), row(b, a)], new Float32Array(9))).toThrow(wanted);
      const fallback = new Float32Array(9);
      expect(() => merge([row(new Float32Array(9), fallback)], fallback)).toThrow(/Expected 0 entries .* received 9/);
    }
  });

  it('is an error of a product', () => {
    const rows = [new Float32Array(9), new Float32Array(9)];
    const range = {
      start: 0,
      get end() {
        return gone(rows[1]!) && 9;
      },
    };
    expect(() => gram(rows, { ranges: [range] })).toThrow(wanted);
  });

  it('is an error of a step and of optimizer state', () => {
    const trainer = train();
    const { tokens, lossMask, lengths } = tinyBatch();
    const batch = {
      tokens,
      lossMask,
      get lengths() {
        gone(tokens);
        return lengths;
      },
    };
    expect(() => trainer.step([batch], { learningRate: 1 })).toThrow(/Expected 0 entries for lossMask/);
    const { m, v } = trainer.getOptimizerState();
    const state = {
      m,
      get v() {
        gone(m);
        return v;
      },
      step: 0,
    };
    expect(() => trainer.setOptimizerState(state)).toThrow(wanted);
  });
});

it('a result that memory does not hold is an error', () => {
  expect(failure(() => maskOverlaps(new Array(1_000_000).fill(null), 1)).code).toBe('OUT_OF_MEMORY');
  expect(failure(() => sumCombinations([], [], 2 ** 40)).code).toBe('OUT_OF_MEMORY');
  expect(failure(() => productSum([], 2 ** 20, 2 ** 20)).code).toBe('OUT_OF_MEMORY');
});

describe('handles', () => {
  it('refuse use after dispose', () => {
    const base = open();
    const trainer = new Trainer({ base, modules: [spec] });
    base.dispose();
    // the trainer keeps the weights that it trains on
    expect(trainer.step([tinyBatch()], { learningRate: 1e-3 }).loss).toBeGreaterThan(0);
    expect(failure(() => base.kernels).code).toBe('DISPOSED');
    expect(failure(() => new Trainer({ base, modules: [spec] })).code).toBe('DISPOSED');
    trainer.dispose();
    trainer.dispose();
    expect(failure(() => trainer.getValues()).code).toBe('DISPOSED');
    expect(failure(() => trainer.step([tinyBatch()], { learningRate: 1e-3 })).code).toBe('DISPOSED');
  });

  it('refuse a second call while one runs', async () => {
    const trainer = train();
    const first = trainer.stepAsync([tinyBatch()], { learningRate: 1e-3 });
    expect(failure(() => trainer.getValues()).code).toBe('BUSY');
    expect(failure(() => trainer.dispose()).code).toBe('BUSY');
    await expect(trainer.stepAsync([tinyBatch()], { learningRate: 1e-3 })).rejects.toMatchObject({ code: 'BUSY' });
    expect((await first).loss).toBeGreaterThan(0);
    expect((await trainer.evaluateAsync(tinyBatch())).targets).toBeGreaterThan(0);
    expect((await trainer.gradientAsync([tinyBatch()])).gradient.length).toBe(trainer.numValues);
  });

  it('tell the bytes of what they hold, and not of a call that runs', async () => {
    const trainer = train();
    const { bytes, numValues } = trainer;
    trainer.setAnchor(trainer.getValues());
    expect(trainer.bytes).toBe(bytes + 4 * numValues);
    const step = trainer.stepAsync([tinyBatch()], { learningRate: 1e-3 });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100); // it is done by now, or has long begun
    expect(trainer.bytes).toBe(bytes + 4 * numValues);
    await step;
    expect(trainer.bytes).toBeGreaterThan(bytes + 4 * numValues);
  });

  it('refuse a handle of another kind behind the prototype of a base', () => {
    const binding = loadBinding();
    const native = new binding.Trainer({ base: open().native, modules: [spec], threads: 1 });
    Object.setPrototypeOf(native, binding.Base.prototype);
    expect(failure(() => new Trainer({ base: { native } as never, modules: [spec] })).code).toBe('BAD_ARGUMENT');
  });

  it('refuse methods torn off their object and objects that are no base', () => {
    expect(() => new Trainer({ base: { native: {} } as never, modules: [spec] })).toThrow(EngineError);
    expect(() => mergeMean([{ values: new Float32Array(2), weight: 1, mask: null }], new Float32Array(3))).toThrow(
      EngineError,
    );
  });
});
