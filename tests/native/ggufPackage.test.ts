import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type BaseModel, loadModel } from '../../src/model/index.js';
import { Base, Trainer } from '../../src/native/engine.js';
import { llamaCppLosses } from '../support/llamaCpp.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/gguf/${name}.gguf`, import.meta.url));
const TOKENS = [0, 3, 29, 9, 28, 15, 30, 7, 31, 2, 12];

function losses({ description }: BaseModel): number[] {
  using base = new Base({ description, precision: 'f32' });
  using trainer = new Trainer({ base, modules: [{ module: 'blk.0.attn_q', rank: 1, scale: 1 }] });
  const tokens = Int32Array.from(TOKENS);
  const batch = { tokens, lossMask: new Uint8Array(tokens.length).fill(1), lengths: Int32Array.of(tokens.length) };
  return [...trainer.evaluate(batch, { adapter: false, all: true }).nll];
}

// Written by the Python package that llama.cpp's converters use: tests/fixtures/gguf/make.py.
describe('GGUF files of the gguf package', () => {
  it.each([
    ['q8_0', 1],
    ['bf16-00001-of-00003', 3],
    ['bf16-00003-of-00003', 3],
  ])('%s', async (name, files) => {
    const model = await loadModel(fixture(name));
    expect(model).toMatchObject({ name: 'fixture', hubId: 'owner/source', warnings: [] });
    expect(model.description.files).toHaveLength(files);
    expect(model.tokenizer.encode('the man<|end|>', { special: true })).toEqual([30, 28, 14, 31, 1]);
    const values = await loadModel(fixture(`${name.split('-')[0]}-values`));
    expect(losses(model)).toEqual(losses(values));
  });

  it('RoPE by their rope_freqs tensor, as llama.cpp', async () => {
    const path = fixture('bf16-values');
    const model = await loadModel(path);
    const theirs = await llamaCppLosses(path, undefined, [TOKENS]);
    const farthest = (own: readonly number[]) => Math.max(...own.map((loss, i) => Math.abs(loss - theirs[i]!)));
    // llama.cpp keeps keys and values in halves.
    const near = farthest(losses(model));
    expect(near).toBeLessThan(5e-3);
    const ropes = model.description.ropes.map(({ factors: _, ...plain }) => plain);
    expect(farthest(losses({ ...model, description: { ...model.description, ropes } }))).toBeGreaterThan(10 * near);
  });
});
