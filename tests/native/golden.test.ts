import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AdapterLayout, ALL_TARGETS, makeLayout, parseTarget } from '../../src/adapter/layout.js';
import { type BaseModel, loadModel } from '../../src/model/index.js';
import type { KernelSet, PackedBatch, Precision } from '../../src/native/binding.js';
import { Base, cpuInfo, Trainer } from '../../src/native/engine.js';
import { type Golden, goldenCases, readGolden, readTensors, referenceDir, type Tensor } from '../support/reference.js';

// float64 golden values of an independent PyTorch implementation, for every folder below FEDTUNE_REFERENCE.
const cases = goldenCases();
const modelsDir = join(referenceDir, '..', 'models');

function goldenLayout(model: BaseModel, golden: Golden, adapter: Map<string, Tensor>): AdapterLayout {
  const targets = new Set(golden.targets.map(parseTarget));
  const shapes = [];
  for (let layer = 0; layer < model.description.numLayers; layer++) {
    for (const target of ALL_TARGETS) {
      if (!targets.has(target)) continue;
      const module = `blk.${layer}.${target}`;
      const a = adapter.get(`${module}.weight.lora_a`);
      const b = adapter.get(`${module}.weight.lora_b`);
      if (!a || !b) continue;
      const rank = a.shape[0]!;
      shapes.push({
        module,
        layer,
        target,
        inDim: a.shape[1]!,
        outDim: b.shape[0]!,
        rank,
        scale: golden.alpha / golden.rank,
      });
    }
  }
  return makeLayout(shapes);
}

function flatten(layout: AdapterLayout, tensors: Map<string, Tensor>): Float32Array {
  const out = new Float32Array(layout.size);
  for (const { module, offsetA, offsetB } of layout.modules) {
    out.set(tensors.get(`${module}.weight.lora_a`)!.values, offsetA);
    out.set(tensors.get(`${module}.weight.lora_b`)!.values, offsetB);
  }
  return out;
}

function pack(golden: Golden): PackedBatch {
  return {
    tokens: Int32Array.from(golden.sequences.flatMap((s) => s.tokens)),
    lossMask: Uint8Array.from(golden.sequences.flatMap((s) => s.mask)),
    lengths: Int32Array.from(golden.sequences, (s) => s.tokens.length),
  };
}

/** Our NLL of each predicted token, in the shape of golden.json. */
function perSequence(golden: Golden, nll: Float32Array): number[][] {
  let at = 0;
  return golden.sequences.map(({ tokens }) => {
    const row = Array.from(nll.subarray(at + 1, at + tokens.length));
    at += tokens.length;
    return row;
  });
}

function norm(x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! ** 2;
  return Math.sqrt(sum);
}

function difference(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!);
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += a[i]! * b[i]!;
  return dot / (norm(a) * norm(b) || 1);
}

function worstNll(got: number[][], want: readonly (readonly number[])[]): number {
  return Math.max(...got.map((row, s) => Math.max(...row.map((x, t) => Math.abs(x - want[s]![t]!)))));
}

/** Every factor of every module: our slice and the golden tensor. */
function perTensor(layout: AdapterLayout, values: Float32Array, golden: Map<string, Tensor>) {
  return layout.modules.flatMap(({ module, offsetA, offsetB, rank, inDim, outDim }) => [
    {
      name: `${module}.lora_a`,
      got: values.subarray(offsetA, offsetA + rank * inDim),
      want: golden.get(`${module}.weight.lora_a`)!.values,
    },
    {
      name: `${module}.lora_b`,
      got: values.subarray(offsetB, offsetB + outDim * rank),
      want: golden.get(`${module}.weight.lora_b`)!.values,
    },
  ]);
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

function adamw(golden: Golden) {
  const { lr, beta1, beta2, eps, weight_decay } = golden.adamw;
  return { learningRate: lr, beta1, beta2, eps, weightDecay: weight_decay };
}

/** Losses before each step and after the last, and the adapter then. */
function runSteps(trainer: Trainer, golden: Golden, batch: PackedBatch, start: Float32Array) {
  trainer.setValues(start);
  trainer.resetOptimizer();
  const losses: number[] = [];
  for (let k = 0; k < golden.adamw.steps; k++) losses.push(trainer.step([batch], adamw(golden)).loss);
  const last = trainer.evaluate(batch);
  losses.push(last.nllSum / last.targets);
  return { losses, after: trainer.getValues() };
}

if (cases.length === 0) {
  it.skip(`golden values: no folder with a golden.json below ${referenceDir}`, () => undefined);
}

describe.each(cases)('golden %s', (name) => {
  const golden = readGolden(name);
  const modelPath = join(modelsDir, golden.model);
  if (!existsSync(modelPath)) {
    it.skip(`${name}: the model ${golden.model} is not in ${modelsDir}`, () => undefined);
    return;
  }
  const adapter = readTensors(join(referenceDir, name, 'adapter.safetensors'));
  const batch = pack(golden);
  let model: BaseModel;
  let layout: AdapterLayout;
  let large: boolean;

  beforeAll(async () => {
    model = await loadModel(modelPath);
    layout = goldenLayout(model, golden, adapter);
    // Deep real models lose digits in float32: their bounds are wider (design notes on the engine).
    large = model.description.numLayers >= 12;
  });

  const open = (precision: Precision, kernels: KernelSet, threads = 1) => {
    const base = new Base({ description: model.description, precision, kernels });
    const trainer = new Trainer({ base, modules: layout.modules, threads });
    trainer.setValues(flatten(layout, adapter));
    return {
      trainer,
      dispose() {
        trainer.dispose();
        base.dispose();
      },
    };
  };

  describe.each(cpuInfo().kernels)('f32 %s', (kernels) => {
    let engine: ReturnType<typeof open>;
    beforeAll(() => {
      engine = open('f32', kernels);
    });
    afterAll(() => engine.dispose());

    it('NLL of every token, base and adapted', () => {
      const base = engine.trainer.evaluate(batch, { adapter: false, all: true });
      const adapted = engine.trainer.evaluate(batch, { all: true });
      expect(worstNll(perSequence(golden, base.nll), golden.base_nll)).toBeLessThan(1e-3);
      expect(worstNll(perSequence(golden, adapted.nll), golden.nll)).toBeLessThan(1e-3);
      const bound = large ? 1e-4 : 1e-5;
      expect(Math.abs(base.nllSum / base.targets / golden.base_loss - 1)).toBeLessThan(bound);
      expect(Math.abs(adapted.nllSum / adapted.targets / golden.loss - 1)).toBeLessThan(bound);
    });

    it('gradients per tensor', () => {
      const { loss, gradient } = engine.trainer.gradient([batch]);
      expect(Math.abs(loss / golden.loss - 1)).toBeLessThan(large ? 1e-4 : 1e-5);
      const grads = readTensors(join(referenceDir, name, 'grads.safetensors'));
      for (const { name: tensor, got, want } of perTensor(layout, gradient, grads)) {
        expect(norm(difference(got, want)) / norm(want), tensor).toBeLessThan(large ? 1e-3 : 1e-4);
      }
    });

    it('losses over the AdamW steps and the adapter after them', () => {
      const start = flatten(layout, adapter);
      const { losses, after } = runSteps(engine.trainer, golden, batch, start);
      losses.forEach((loss, k) => {
        expect(Math.abs(loss / golden.losses[k]! - 1), `loss ${k}`).toBeLessThan(large ? 1e-4 : 1e-5);
      });
      const want = flatten(layout, readTensors(join(referenceDir, name, 'adapter_after.safetensors')));
      const change = difference(want, start);
      expect(norm(difference(after, want)) / norm(change)).toBeLessThan(1e-2);
    });
  });

  describe.each(cpuInfo().kernels)('int8 %s', (kernels) => {
    let engine: ReturnType<typeof open>;
    beforeAll(() => {
      engine = open('int8', kernels);
    });
    afterAll(() => engine.dispose());

    it('losses over the AdamW steps within 1 %', () => {
      const { losses } = runSteps(engine.trainer, golden, batch, flatten(layout, adapter));
      losses.forEach((loss, k) => {
        expect(Math.abs(loss / golden.losses[k]! - 1), `loss ${k}`).toBeLessThan(0.01);
      });
    });

    it('directions of the gradients', () => {
      engine.trainer.setValues(flatten(layout, adapter));
      const { gradient } = engine.trainer.gradient([batch]);
      const grads = readTensors(join(referenceDir, name, 'grads.safetensors'));
      const cosines = perTensor(layout, gradient, grads).map(({ got, want }) => cosine(got, want));
      expect(Math.min(...cosines)).toBeGreaterThan(large ? 0.95 : 0.985);
      expect(median(cosines)).toBeGreaterThan(large ? 0.99 : 0.985);
    });
  });

  it.each(['f32', 'int8'] as const)('%s: the same bits again, and with two threads', (precision) => {
    const start = flatten(layout, adapter);
    const run = (threads: number) => {
      const engine = open(precision, 'auto', threads);
      const { losses, after } = runSteps(engine.trainer, golden, batch, start);
      engine.dispose();
      return { losses, after };
    };
    const once = run(1);
    expect(run(1)).toEqual(once);
    expect(run(2)).toEqual(once);
  });
});
