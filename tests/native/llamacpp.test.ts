import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { initialValues } from '../../src/adapter/init.js';
import type { Adapter } from '../../src/adapter/layout.js';
import { layoutFor, trainerModules } from '../../src/adapter/shapes.js';
import { writeGgufAdapter, writeMergedGguf } from '../../src/export/index.js';
import { loadModel } from '../../src/model/index.js';
import type { BaseModel } from '../../src/model/types.js';
import { Base, Trainer } from '../../src/native/engine.js';
import { findGgmlLibrary, loadBinding } from '../../src/native/load.js';
import { randomStream } from '../../src/random.js';
import { llamaCppLosses } from '../support/llamaCpp.js';
import { RECIPES, writeRandomGguf } from '../support/randomGguf.js';
import { sharedDir } from '../support/reference.js';

const TINY = fileURLToPath(new URL('../../datasets/base/tiny.gguf', import.meta.url));
const shared = (name: string) => join(sharedDir, 'models', name);

const F32_MODELS = ['stories260K.gguf', 'random-qwen2.gguf', 'random-qwen3.gguf', 'babyllama-1M.gguf'].map(shared);
const QUANTISED = shared('SmolLM2-135M-Instruct.Q4_1.gguf');
const LENGTHS = [48, 31];

/** Skips, naming what is not there. */
function itWith(path: string, name: string, run: () => Promise<void>): void {
  const there = existsSync(path);
  it.skipIf(!there)(there ? name : `${name} (skipped: ${path} is not there)`, run);
}

/** An adapter with mixed ranks whose effect is far above every tolerance. */
function mixedAdapter(model: BaseModel, size: number): Adapter {
  const plain = layoutFor(model.description, { rank: 4, alpha: 8 });
  const values = initialValues(plain, 3);
  const random = randomStream(9, 'b');
  for (const { offsetB, outDim, rank } of plain.modules) {
    for (let i = 0; i < outDim * rank; i++) values[offsetB + i] = (2 * random() - 1) * size;
  }
  return { layout: plain, values, mask: null };
}

function sequencesFor(model: BaseModel): number[][] {
  const random = randomStream(4, 'tokens');
  return LENGTHS.map((length) => Array.from({ length }, () => Math.floor(random() * model.description.vocabSize)));
}

function engineLosses(model: BaseModel, adapter: Adapter, sequences: number[][], useAdapter: boolean): number[] {
  using base = new Base({ description: model.description, precision: 'f32' });
  using trainer = new Trainer({ base, modules: trainerModules(adapter.layout) });
  trainer.setValues(adapter.values);
  const tokens = Int32Array.from(sequences.flat());
  const batch = { tokens, lossMask: new Uint8Array(tokens.length).fill(1), lengths: Int32Array.from(LENGTHS) };
  return [...trainer.evaluate(batch, { adapter: useAdapter, all: true }).nll];
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const farthest = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

async function compare(path: string, size: number, check: (ours: number[], theirs: number[], what: string) => void) {
  const model = await loadModel(path);
  const sequences = sequencesFor(model);
  const adapter = mixedAdapter(model, size);
  const folder = await mkdtemp(join(tmpdir(), 'fedtune-llamacpp-'));
  const lora = join(folder, 'adapter.gguf');
  const merged = join(folder, 'merged.gguf');
  await writeGgufAdapter(lora, adapter, model);
  const ggml = findGgmlLibrary();
  await writeMergedGguf(merged, adapter, model, {
    type: 'f32',
    dequantize: (type, bytes, count) => loadBinding().dequantize(ggml, type, bytes, count),
    quantize: (type, values) => loadBinding().quantize(ggml, type, values),
  });
  const base = engineLosses(model, adapter, sequences, false);
  const ours = engineLosses(model, adapter, sequences, true);
  expect(farthest(base, ours), 'the adapter must move the losses').toBeGreaterThan(0.2);
  check(base, await llamaCppLosses(path, undefined, sequences), 'base');
  check(ours, await llamaCppLosses(path, lora, sequences), 'adapter');
  check(ours, await llamaCppLosses(merged, undefined, sequences), 'merged');
}

describe('exported adapters in llama.cpp', () => {
  for (const path of F32_MODELS) {
    itWith(path, `${path.split(/[\\/]/).at(-1)} gives the engine's loss for every token`, async () => {
      await compare(path, 0.2, (ours, theirs, what) => {
        // llama.cpp keeps keys and values in half precision: about 1e-2 where a token's NLL is 17.
        expect(farthest(ours, theirs), what).toBeLessThan(2e-2);
        expect(Math.abs(mean(ours) - mean(theirs)) / mean(ours), what).toBeLessThan(1e-3);
      });
    });
  }

  it.each(Object.keys(RECIPES))("%s gives the engine's loss for every token", async (architecture) => {
    await compare(await writeRandomGguf(architecture), 0.3, (ours, theirs, what) => {
      expect(farthest(ours, theirs), what).toBeLessThan(2e-2);
      expect(Math.abs(mean(ours) - mean(theirs)) / mean(ours), what).toBeLessThan(1e-3);
    });
  });

  for (const path of [QUANTISED, TINY]) {
    itWith(path, `${path.split(/[\\/]/).at(-1)} gives the engine's mean loss`, async () => {
      await compare(path, 0.02, (ours, theirs, what) => {
        // llama.cpp quantises activations beside quantised weights.
        expect(Math.abs(mean(ours) - mean(theirs)) / mean(ours), what).toBeLessThan(1e-2);
      });
    });
  }
});
