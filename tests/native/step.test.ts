import { describe, expect, it } from 'vitest';
import type { KernelSet, LoraModuleSpec, PackedBatch } from '../../src/native/binding.js';
import { Base, cpuInfo, Trainer } from '../../src/native/engine.js';
import { makeTinyModel, noise, TINY_FEATURES, type TinyFeatures, tinyBatch } from '../support/tinyModel.js';

const TARGETS = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
const modulesOf = (targets: readonly string[]): LoraModuleSpec[] =>
  [0, 1].flatMap((layer) =>
    targets.map((target, i) => ({ module: `blk.${layer}.${target}`, rank: 1 + (i % 3), scale: 0.5 + i / 4 })),
  );
const ALL = modulesOf(TARGETS);
const FUSED = modulesOf(['attn_qkv', 'attn_output', 'ffn_gate_up', 'ffn_down']);

function make(params: {
  features?: Parameters<typeof makeTinyModel>[0];
  modules?: LoraModuleSpec[];
  dropout?: number;
  threads?: number;
  checkpointing?: boolean;
  precision?: 'f32' | 'int8';
  kernels?: KernelSet;
}) {
  const base = new Base({
    description: makeTinyModel(params.features),
    precision: params.precision ?? 'f32',
    kernels: params.kernels ?? 'auto',
  });
  const trainer = new Trainer({ base, modules: params.modules ?? ALL, ...params });
  const next = noise(11);
  trainer.setValues(Float32Array.from({ length: trainer.numValues }, () => next() * 0.3));
  return trainer;
}

const meanLoss = (trainer: Trainer, batch: PackedBatch = tinyBatch()) => {
  const { nllSum, targets } = trainer.evaluate(batch);
  return nllSum / targets;
};

const half = { theta: 10_000, dim: 6, pairing: 'half' } as const;
// Every feature by itself and as models of the field put them together.
const FEATURES: [string, TinyFeatures, LoraModuleSpec[]?][] = [
  ...Object.entries(TINY_FEATURES).map(([name, features]): [string, TinyFeatures] => [name, features]),
  ['norms of q and k as rows', { qkNorm: 'row' }],
  ['norms behind the parts only', { preNorm: false, postNorm: true }],
  ['norms around the parts', { postNorm: true }],
  ['norm weights stored less 1', { normOffset: 1, postNorm: true, qkNorm: 'head' }],
  ['gelu', { activation: 'gelu_tanh' }],
  ['windows by layer', { layers: [{ rope: 0, window: 3 }, { rope: 0 }] }],
  ['capped scores', { attentionSoftcap: 1.5 }],
  ['capped logits', { logitSoftcap: 2 }],
  ['scales', { embeddingScale: 3, residualScale: 0.4, attentionScale: 0.2, logitScale: 0.5 }],
  ['a layer without positions', { layers: [{ rope: null }, { rope: 0 }] }],
  ['two RoPE tables', { ropes: [half, { ...half, theta: 50, magnitude: 1.3 }], layers: [{ rope: 1 }, { rope: 0 }] }],
  ['RoPE on a part of each head', { ropes: [{ ...half, dim: 4 }] }],
  ['biases everywhere', { biases: TARGETS }],
  ['fused tensors', { fusedQkv: true, fusedGateUp: true }, FUSED],
  ['fused tensors with biases', { fusedQkv: true, fusedGateUp: true, biases: ['attn_qkv', 'ffn_gate_up'] }, FUSED],
  [
    'all of Gemma',
    {
      ...{ normOffset: 1, postNorm: true, qkNorm: 'head', activation: 'gelu_tanh', embeddingScale: 24 ** 0.5 },
      ...{ attentionSoftcap: 2, logitSoftcap: 3, ropes: [half, { ...half, theta: 100 }] },
      layers: [{ rope: 1, window: 4 }, { rope: 0 }],
    },
  ],
];

/** Holds the gradient of a batch against central differences of its loss, in random directions. */
function expectSlopes(trainer: Trainer, batch: PackedBatch) {
  const values = trainer.getValues();
  const { gradient, loss } = trainer.gradient([batch]);
  expect(loss).toBeCloseTo(meanLoss(trainer, batch), 6);
  const next = noise(5);
  for (let trial = 0; trial < 12; trial++) {
    const direction = Float32Array.from({ length: values.length }, () => next());
    const h = 2e-3;
    const moved = (step: number) => {
      trainer.setValues(values.map((v, i) => v + step * direction[i]!));
      return meanLoss(trainer, batch);
    };
    const slope = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
    const dot = gradient.reduce((sum, g, i) => sum + g * direction[i]!, 0);
    expect(Math.abs(slope - dot)).toBeLessThan(2e-3 * Math.max(1, Math.abs(dot)));
  }
}

describe.each(FEATURES)('%s', (_, features, modules = ALL) => {
  it('has the gradient that central differences of its loss give', () => {
    expectSlopes(make({ features, modules }), tinyBatch());
  });

  it('comes out the same from every kernel set and with recomputed activations', () => {
    const run = (params: object) => {
      const trainer = make({ features, modules, ...params });
      return { loss: meanLoss(trainer), gradient: trainer.gradient([tinyBatch()]).gradient };
    };
    const first = run({});
    expect(run({ checkpointing: true, threads: 2 }).gradient).toEqual(first.gradient);
    for (const kernels of cpuInfo().kernels) expect(run({ kernels }).loss).toBeCloseTo(first.loss, 4);
    expect(Math.abs(run({ precision: 'int8' }).loss / first.loss - 1)).toBeLessThan(0.02);
  });
});

// Above 512 tokens each query head is worked on by itself, and what they give their kv head is added afterwards.
describe('a long sequence beside a short one', () => {
  const next = noise(3);
  const tokens = Int32Array.from({ length: 560 }, () => Math.floor((next() + 1) * 10));
  const long: TinyFeatures = { contextLength: 1024 };
  const batch = { tokens, lossMask: new Uint8Array(560).fill(1), lengths: Int32Array.of(540, 20) };

  it('has the gradient that central differences of its loss give', () => {
    expectSlopes(make({ features: long }), batch);
  });

  it.each(['f32', 'int8'] as const)('gives the same bits with two and three threads (%s)', (precision) => {
    const once = make({ features: long, precision }).gradient([batch]).gradient;
    expect(make({ features: long, precision, threads: 2 }).gradient([batch]).gradient).toEqual(once);
    expect(make({ features: long, precision, threads: 3 }).gradient([batch]).gradient).toEqual(once);
  });
});

describe('what the lowest adapted layer spares', () => {
  it.each(TARGETS)('gives %s alone the gradient that it has among all', (target) => {
    const all = make({});
    const values = all.getValues();
    // Only layer 1's one module is adapted; the rest of the adapter is switched off by B = 0 ... of rank 1 values 0.
    const spec = ALL.find((m) => m.module === `blk.1.${target}`)!;
    const one = make({ modules: [spec] });
    const zeros = new Float32Array(values.length);
    let offset = 0;
    const sizes: Record<string, [number, number]> = {
      attn_q: [24, 24],
      attn_k: [24, 12],
      attn_v: [24, 12],
      attn_output: [24, 24],
      ffn_gate: [24, 40],
      ffn_up: [24, 40],
      ffn_down: [40, 24],
    };
    let start = 0;
    for (const m of ALL) {
      const [inDim, outDim] = sizes[m.module.split('.')[2]!]!;
      if (m.module === spec.module) start = offset;
      offset += m.rank * (inDim + outDim);
    }
    zeros.set(one.getValues(), start);
    all.setValues(zeros);
    const expected = all.gradient([tinyBatch()]).gradient.subarray(start, start + one.numValues);
    expect(one.gradient([tinyBatch()]).gradient).toEqual(Float32Array.from(expected));
  });
});

describe('one step', () => {
  const options = { learningRate: 1e-2, weightDecay: 0.1, dropoutSeed: 9 };

  it.each(['f32', 'int8'] as const)('gives the same bits with checkpointing and with two threads (%s)', (precision) => {
    const run = (extra: object) => {
      const trainer = make({ precision, dropout: 0.1, ...extra });
      for (let k = 0; k < 3; k++) trainer.step([tinyBatch()], { ...options, dropoutSeed: k });
      return trainer.getValues();
    };
    const once = run({});
    expect(run({ checkpointing: true })).toEqual(once);
    expect(run({ threads: 2 })).toEqual(once);
  });

  it('normalises accumulated micro-batches by their target tokens together', () => {
    const batch = tinyBatch();
    const cut = 10;
    const parts = [
      {
        tokens: batch.tokens.slice(0, cut),
        lossMask: batch.lossMask.slice(0, cut),
        lengths: batch.lengths.slice(0, 2),
      },
      { tokens: batch.tokens.slice(cut), lossMask: batch.lossMask.slice(cut), lengths: batch.lengths.slice(2) },
    ];
    const trainer = make({});
    const whole = trainer.gradient([batch]);
    const accumulated = trainer.gradient(parts);
    expect(accumulated.targets).toBe(whole.targets);
    expect(accumulated.loss).toBeCloseTo(whole.loss, 6);
    whole.gradient.forEach((g, i) => {
      expect(Math.abs(accumulated.gradient[i]! - g)).toBeLessThan(1e-6);
    });
  });

  it('takes a large batch through in parts: the loss of each token, the mean gradient, memory that stays', () => {
    const batch = tinyBatch();
    const repeated = (times: number) => {
      const all = <T extends Int32Array | Uint8Array>(values: T) =>
        Array.from({ length: times }, () => [...values]).flat();
      return {
        tokens: Int32Array.from(all(batch.tokens)),
        lossMask: Uint8Array.from(all(batch.lossMask)),
        lengths: Int32Array.from(all(batch.lengths)),
      };
    };
    const times = Math.ceil(1200 / batch.tokens.length);
    const trainer = make({});
    const one = trainer.evaluate(batch);
    const many = trainer.evaluate(repeated(times));
    expect(many.targets).toBe(times * one.targets);
    many.nll.forEach((nll, i) => {
      expect(nll).toBe(one.nll[i % batch.tokens.length]);
    });
    const { gradient } = trainer.gradient([batch]);
    trainer.gradient([repeated(times)]).gradient.forEach((g, i) => {
      expect(Math.abs(g - gradient[i]!)).toBeLessThan(1e-5);
    });
    const { bytes } = trainer;
    trainer.gradient([repeated(2 * times)]);
    expect(trainer.bytes).toBe(bytes);
  });

  it('leaves masked entries and their moments alone', () => {
    const trainer = make({});
    const before = trainer.getValues();
    const mask = Uint8Array.from(before, (_, i) => (i % 2 ? 1 : 0));
    trainer.setTrainable(mask);
    for (let k = 0; k < 3; k++) trainer.step([tinyBatch()], options);
    const after = trainer.getValues();
    const { m, v, step } = trainer.getOptimizerState();
    expect(step).toBe(3);
    mask.forEach((kept, i) => {
      if (kept) return;
      expect(after[i]).toBe(before[i]);
      expect(m[i]).toBe(0);
      expect(v[i]).toBe(0);
    });
    expect(after.some((x, i) => mask[i] && x !== before[i])).toBe(true);
  });

  it('clips to the global norm over trainable entries', () => {
    const trainer = make({});
    const { gradient } = trainer.gradient([tinyBatch()]);
    const norm = Math.hypot(...gradient);
    const { gradNorm } = trainer.step([tinyBatch()], { ...options, maxGradNorm: norm / 4 });
    expect(gradNorm / norm).toBeCloseTo(1, 5);
    const { m } = trainer.getOptimizerState();
    m.forEach((moment, i) => {
      expect(moment).toBeCloseTo((0.1 * gradient[i]!) / 4, 6);
    });
  });

  it('adds the proximal pull and the offset to the gradient', () => {
    const trainer = make({});
    const values = trainer.getValues();
    const { gradient } = trainer.gradient([tinyBatch()]);
    const anchor = values.map((v, i) => v + Math.sin(i));
    const offset = values.map((_, i) => Math.cos(i) / 10);
    trainer.setAnchor(anchor);
    trainer.setGradientOffset(offset);
    trainer.takeGradientSum();
    trainer.step([tinyBatch()], { ...options, proxMu: 0.5 });
    const { m } = trainer.getOptimizerState();
    m.forEach((moment, i) => {
      expect(moment).toBeCloseTo(0.1 * (gradient[i]! + offset[i]! + 0.5 * (values[i]! - anchor[i]!)), 5);
    });
    const { steps, sum } = trainer.takeGradientSum();
    expect(steps).toBe(1);
    expect(sum).toEqual(gradient);
  });

  it('carries the optimizer state on bit for bit', () => {
    const a = make({});
    for (let k = 0; k < 4; k++) a.step([tinyBatch()], options);
    const b = make({});
    for (let k = 0; k < 2; k++) b.step([tinyBatch()], options);
    const c = make({});
    c.setValues(b.getValues());
    c.setOptimizerState(b.getOptimizerState());
    for (let k = 0; k < 2; k++) c.step([tinyBatch()], options);
    expect(c.getValues()).toEqual(a.getValues());
  });

  it('drops inputs at the given rate, and keeps the mean', () => {
    const losses = (dropout: number) => {
      const trainer = make({ dropout });
      const before = trainer.getValues();
      return Array.from({ length: 60 }, (_, seed) => {
        trainer.setValues(before);
        return trainer.step([tinyBatch()], { learningRate: 0, dropoutSeed: seed }).loss;
      });
    };
    const still = losses(0);
    expect(new Set(still).size).toBe(1);
    const noisy = losses(0.2);
    expect(new Set(noisy).size).toBeGreaterThan(50);
    const mean = noisy.reduce((a, b) => a + b) / noisy.length;
    expect(Math.abs(mean / still[0]! - 1)).toBeLessThan(0.1);
  });

  it('does not let packed sequences see each other', () => {
    const trainer = make({});
    const batch = tinyBatch();
    const packed = trainer.evaluate(batch, { all: true }).nll;
    let at = 0;
    for (const length of batch.lengths) {
      const alone = trainer.evaluate(
        {
          tokens: batch.tokens.slice(at, at + length),
          lossMask: batch.lossMask.slice(at, at + length),
          lengths: Int32Array.of(length),
        },
        { all: true },
      ).nll;
      alone.forEach((x, i) => {
        expect(packed[at + i]).toBeCloseTo(x, 5);
      });
      at += length;
    }
  });
});
