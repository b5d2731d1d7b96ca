import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { KernelSet, ModelDescription, Precision } from '../../src/native/binding.js';
import { Base, cpuInfo, Trainer } from '../../src/native/engine.js';
import { makeTinyModel, noise, TINY, tinyBatch } from '../support/tinyModel.js';

// Wide enough for all matrices to be kept in 4 bits; rows of gate and up that are no multiple of 32 go through down.
const WIDE = { ...TINY, hidden: 256, headDim: 64, ffn: 300 };
const MODULES = ['attn_q', 'attn_v', 'attn_output', 'ffn_up', 'ffn_down'].flatMap((name) =>
  [0, 1].map((layer) => ({ module: `blk.${layer}.${name}`, rank: 2, scale: 1 })),
);

/** A model of that shape whose matrices hold `values` of noise in [-0.4, 0.4); i counts along a row. */
function wideModel(values: (x: number, i: number) => number = (x) => x / 4): ModelDescription {
  const description = makeTinyModel({}, WIDE);
  const file = description.files[0]!;
  const all = new Float32Array(new Uint8Array(readFileSync(file)).buffer);
  for (const tensor of description.tensors) {
    const part = all.subarray(tensor.offset / 4, (tensor.offset + tensor.bytes) / 4);
    if (tensor.ne.length === 2) for (let i = 0; i < part.length; i++) part[i] = values(part[i]!, i % tensor.ne[0]!);
  }
  writeFileSync(file, new Uint8Array(all.buffer));
  return description;
}

interface Options {
  readonly kernels?: KernelSet;
  readonly threads?: number;
  readonly checkpointing?: boolean;
}

function open(description: ModelDescription, precision: Precision, { kernels = 'auto', ...rest }: Options = {}) {
  const base = new Base({ description, precision, kernels });
  const trainer = new Trainer({ base, modules: MODULES, ...rest });
  const next = noise(11);
  trainer.setValues(Float32Array.from({ length: trainer.numValues }, () => next() * 0.1));
  return trainer;
}

const loss = (trainer: Trainer) => {
  const { nllSum, targets } = trainer.evaluate(tinyBatch());
  return nllSum / targets;
};

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return ab / Math.sqrt(aa * bb);
}

describe('a base in int4', () => {
  const description = wideModel();

  it('takes 20 bits for 32 weights of 4, and int8 for the embedding and the output matrix', () => {
    using int4 = new Base({ description, precision: 'int4' });
    using int8 = new Base({ description, precision: 'int8' });
    const { hidden: h, ffn, vocab, layers, heads, kvHeads, headDim } = WIDE;
    const padded = Math.ceil(ffn / 32) * 32;
    const weights = layers * (h * (heads + 2 * kvHeads) * headDim + heads * headDim * h + 2 * h * ffn + padded * h);
    const vocabulary = 2 * vocab * h * (36 / 32);
    expect(int4.precision).toBe('int4');
    expect(int4.bytes).toBe(weights * (20 / 32) + vocabulary);
    expect(int8.bytes).toBe(weights * (36 / 32) + vocabulary);
  });

  it('counts the matrix that a product unpacks to int8 as memory of the trainer', () => {
    const [int8, int4] = (['int8', 'int4'] as const).map((precision) => {
      const trainer = open(description, precision);
      trainer.step([tinyBatch()], { learningRate: 1e-3 });
      return trainer.bytes;
    });
    const largest = 2 * WIDE.ffn * WIDE.hidden;
    expect(int4! - int8!).toBe(largest * (36 / 32));
  });

  it.each(cpuInfo().kernels)('has gradients near those of f32 (%s)', (kernels) => {
    const [f32, int4] = [open(description, 'f32', { kernels }), open(description, 'int4', { kernels })];
    expect(loss(int4)).not.toBe(loss(f32));
    expect(Math.abs(loss(int4) / loss(f32) - 1)).toBeLessThan(0.03);
    const [want, got] = [f32, int4].map((trainer) => trainer.gradient([tinyBatch()]).gradient);
    expect(cosine(got!, want!)).toBeGreaterThan(0.9);
  });

  // What is left is what int8 has too: the products are int8's.
  it.each([
    ['around 0', (x: number, i: number) => 0.01 * (i % 32 < 2 ? [-8, 7][i % 32]! : Math.round(x * 17))],
    ['beside 0', (x: number, i: number) => 0.004 + 0.01 * (i % 32 < 2 ? [-3, 12][i % 32]! : 4 + Math.round(x * 17))],
  ])('keeps weights that have 16 levels a group, %s', (_, values) => {
    const levels = wideModel(values);
    const want = open(levels, 'f32').gradient([tinyBatch()]).gradient;
    const off = (precision: Precision) => 1 - cosine(open(levels, precision).gradient([tinyBatch()]).gradient, want);
    expect(off('int4')).toBeLessThan(2 * off('int8'));
  });

  it('trains: the loss goes down', () => {
    const trainer = open(description, 'int4');
    const before = loss(trainer);
    for (let k = 0; k < 20; k++) trainer.step([tinyBatch()], { learningRate: 5e-3 });
    expect(loss(trainer)).toBeLessThan(0.5 * before);
  });

  it('has the same bits with two threads and with checkpointing', () => {
    const run = (options: Options) => {
      const trainer = open(description, 'int4', options);
      for (let k = 0; k < 3; k++) trainer.step([tinyBatch()], { learningRate: 1e-2 });
      return trainer.getValues();
    };
    const once = run({});
    expect(run({ threads: 2 })).toEqual(once);
    expect(run({ checkpointing: true })).toEqual(once);
  });
});
