import { open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layoutFor } from '../../../src/adapter/shapes.js';
import { ModelError } from '../../../src/errors.js';
import { checkMerged, writeMergedGguf, writeMergedHf } from '../../../src/export/index.js';
import type { Dequantize, ExportModel, Quantize } from '../../../src/export/types.js';
import { describeGguf } from '../../../src/model/gguf/describe.js';
import { readGgufHeader } from '../../../src/model/gguf/header.js';
import { describeHf } from '../../../src/model/hf/describe.js';
import { loadModel } from '../../../src/model/index.js';
import { encodeSafetensors, readSafetensors } from '../../../src/safetensors/index.js';
import { tinyConfig, tinyTensors, writeHf } from '../model/buildHf.js';
import { makeAdapter, makeModel, numbers, products, temporaryFolder } from './fixtures.js';

const dequantize: Dequantize = (_type, bytes) => new Float32Array(bytes.slice().buffer);
const quantize: Quantize = (_type, values) => new Uint8Array(values.slice().buffer);

async function hfModel(): Promise<ExportModel> {
  const folder = writeHf(join(await temporaryFolder(), 'base'), {
    files: { 'tokenizer.model': 'x', 'training_args.bin': 'y' },
  });
  const tensors = tinyTensors().map(({ name, shape }, i) => ({
    name,
    shape,
    values: numbers(
      shape.reduce((x, y) => x * y, 1),
      i + 1,
    ),
  }));
  await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(tensors));
  const description = await describeHf(folder, tinyConfig());
  return { name: 'x', path: folder, format: 'hf', description, permutedQk: false };
}

describe('a model with an adapter merged in', () => {
  it('is a folder of W + s B A and what stood beside, and nothing else of the base', async () => {
    const model = await hfModel();
    const layout = layoutFor(model.description, { rank: 2, alpha: 3, targets: ['q_proj', 'down_proj'] });
    const adapter = { layout, values: numbers(layout.size, 9), mask: null };
    const out = join(await temporaryFolder(), 'merged');
    await writeMergedHf(out, adapter, model, { dequantize, quantize });
    const [before, after] = await Promise.all(
      [model.path, out].map((dir) => readSafetensors(join(dir, 'model.safetensors'), ModelError)),
    );
    expect([...after!.keys()]).toEqual([...before!.keys()]);
    const added = products(adapter);
    const names: Record<string, string> = {
      'model.layers.0.self_attn.q_proj.weight': 'blk.0.attn_q',
      'model.layers.0.mlp.down_proj.weight': 'blk.0.ffn_down',
    };
    for (const [name, { values }] of after!) {
      const base = before!.get(name)!.values;
      const product = added[names[name] ?? ''];
      for (const [i, value] of values.entries()) expect(value, name).toBeCloseTo(base[i]! + (product?.[i] ?? 0), 5);
    }
    expect((await readdir(out)).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer.model',
    ]);
    await checkMerged(adapter, model.description, (await loadModel(out)).description, dequantize);
  });

  it('is found out where one weight is another', async () => {
    const model = await makeModel(await temporaryFolder());
    const adapter = makeAdapter(model);
    const file = join(await temporaryFolder(), 'model.gguf');
    await writeMergedGguf(file, adapter, model, { dequantize, quantize });
    const description = await describeGguf(await readGgufHeader(file));
    await checkMerged(adapter, model.description, description, dequantize);
    // The base itself, where the adapter was to be added.
    await expect(checkMerged(adapter, model.description, model.description, dequantize)).rejects.toMatchObject({
      code: 'READ_BACK',
    });
    const { offset } = description.tensors.find(({ name }) => name === 'blk.1.ffn_up.weight')!;
    const handle = await open(file, 'r+');
    const weight = new Float32Array(1);
    await handle.read(weight, 0, 4, offset + 4 * 77);
    await handle.write(Float32Array.of(weight[0]! + 1e-3), 0, 4, offset + 4 * 77);
    await handle.close();
    await expect(checkMerged(adapter, model.description, description, dequantize)).rejects.toMatchObject({
      code: 'READ_BACK',
      message: expect.stringContaining('row 2 of blk.1.ffn_up'),
    });
  });
});
