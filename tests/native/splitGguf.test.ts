import { copyFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { initialValues } from '../../src/adapter/init.js';
import { layoutFor } from '../../src/adapter/shapes.js';
import { writeMergedGguf } from '../../src/export/index.js';
import { type BaseModel, loadModel } from '../../src/model/index.js';
import { Base, dequantize, quantize, Trainer } from '../../src/native/engine.js';
import { sha256Files } from '../../src/sha256.js';
import { llamaCppLosses } from '../support/llamaCpp.js';
import { splitGguf } from '../support/splitGguf.js';

const TINY = fileURLToPath(new URL('../../datasets/base/tiny.gguf', import.meta.url));
const TOKENS = Array.from({ length: 24 }, (_, i) => (i * 97 + 5) % 1536);

function losses(model: BaseModel): number[] {
  using base = new Base({ description: model.description, precision: 'f32' });
  using trainer = new Trainer({ base, modules: [{ module: 'blk.0.attn_q', rank: 1, scale: 1 }] });
  const tokens = Int32Array.from(TOKENS);
  const batch = { tokens, lossMask: new Uint8Array(tokens.length).fill(1), lengths: Int32Array.of(tokens.length) };
  return [...trainer.evaluate(batch, { adapter: false, all: true }).nll];
}

describe('a GGUF model in parts', () => {
  let folder: string;
  let parts: string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedtune-split-'));
    parts = await splitGguf(TINY, folder, 'tiny', 3);
  });
  const code = (path: string) =>
    loadModel(path).then(
      () => 'loaded',
      (error: { code: string }) => error.code,
    );

  it('is the whole model, named by any of its parts', async () => {
    const whole = await loadModel(TINY);
    for (const part of parts) {
      const model = await loadModel(part);
      expect(model).toMatchObject({ name: whole.name, path: parts[0], sha256: await sha256Files(parts) });
      expect(model.description.files).toEqual(parts);
      expect(losses(model)).toEqual(losses(whole));
    }
  });

  it('is so for llama.cpp too', async () => {
    const theirs = await llamaCppLosses(TINY, undefined, [TOKENS]);
    expect(await llamaCppLosses(parts[0]!, undefined, [TOKENS])).toEqual(theirs);
  });

  it('merges into one file', async () => {
    const model = await loadModel(parts[1]!);
    const layout = layoutFor(model.description, { rank: 1, alpha: 1 });
    // B of a fresh adapter is zero: the merged model is the base.
    const out = join(folder, 'merged.gguf');
    await writeMergedGguf(out, { layout, values: initialValues(layout, 1), mask: null }, model, {
      dequantize,
      quantize,
    });
    const merged = await loadModel(out);
    expect(merged.description.files).toEqual([out]);
    expect(losses(merged)).toEqual(losses(await loadModel(TINY)));
  });

  it('is refused where a part is missing, of another split, or has lost its name', async () => {
    const other = await mkdtemp(join(tmpdir(), 'fedtune-split-'));
    for (const part of parts.slice(0, 2)) await copyFile(part, join(other, basename(part)));
    expect(await code(join(other, basename(parts[0]!)))).toBe('SPLIT_FILE');
    await copyFile(parts[1]!, join(other, basename(parts[2]!)));
    expect(await code(join(other, basename(parts[0]!)))).toBe('SPLIT_FILE');
    await copyFile(parts[0]!, join(other, 'renamed.gguf'));
    expect(await code(join(other, 'renamed.gguf'))).toBe('SPLIT_FILE');
  });
});
