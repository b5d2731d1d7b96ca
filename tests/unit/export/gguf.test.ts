import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { writeGguf } from '../../../src/export/ggufFile.js';
import { readGgufAdapter, writeGgufAdapter, writeMergedGguf } from '../../../src/export/index.js';
import type { Dequantize, ExportModel } from '../../../src/export/types.js';
import { readGgufHeader } from '../../../src/model/gguf/header.js';
import { GGML_Q8_0 } from '../../../src/model/gguf/types.js';
import { quantize } from '../../../src/native/engine.js';
import { halfToFloat } from '../../../src/safetensors/read.js';
import { distance, makeAdapter, makeModel, products, temporaryFolder } from './fixtures.js';

let folder: string;
let llama: ExportModel;
beforeAll(async () => {
  folder = await temporaryFolder();
  llama = await makeModel(folder);
});

/** Plain TypeScript dequantisation of the types that are written here. */
const dequantize: Dequantize = (type, bytes, count) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const half = (at: number) => halfToFloat(view.getUint16(at, true));
  return Float32Array.from({ length: count }, (_, i) => {
    if (type === 0) return view.getFloat32(4 * i, true);
    if (type === 1) return half(2 * i);
    const block = Math.floor(i / 32) * 34;
    return half(block) * view.getInt8(block + 2 + (i % 32));
  });
};

async function readWeights(path: string): Promise<Map<string, { type: number; values: Float32Array }>> {
  const bytes = await readFile(path);
  const { tensors } = await readGgufHeader(path);
  return new Map(
    tensors.map(({ name, type, offset, bytes: size, ne }) => {
      const values = dequantize(
        type,
        bytes.subarray(offset, offset + size),
        ne.reduce((a, b) => a * b, 1),
      );
      return [name, { type, values }];
    }),
  );
}

describe('writeGgufAdapter', () => {
  it('reads back bit-equal where one scale fits all', async () => {
    const adapter = makeAdapter(llama);
    const file = join(await temporaryFolder(), 'deep', 'adapter.gguf');
    await writeGgufAdapter(file, adapter, llama);
    const { metadata, tensors } = await readGgufHeader(file);
    expect(metadata).toMatchObject({
      'general.type': 'adapter',
      'general.architecture': 'llama',
      'adapter.type': 'lora',
      'adapter.lora.alpha': 4,
    });
    expect(tensors.find(({ name }) => name === 'blk.1.ffn_down.weight.lora_a')!.ne).toEqual([64, 2]);
    expect(tensors.find(({ name }) => name === 'blk.1.ffn_down.weight.lora_b')!.ne).toEqual([2, 32]);
    expect((await readGgufAdapter(file, llama)).values).toEqual(adapter.values);
  });

  it('folds other scales into B, since llama.cpp computes alpha / rank of the tensor', async () => {
    const adapter = makeAdapter(
      llama,
      (layer, target) => (target === 'attn_v' ? 4 : layer === 1 ? 3 : 2),
      (_, target) => (target === 'ffn_gate' ? 0.3 : 2),
    );
    const file = join(await temporaryFolder(), 'adapter.gguf');
    await writeGgufAdapter(file, adapter, llama);
    const back = await readGgufAdapter(file, llama);
    expect(distance(adapter, back)).toBeLessThan(1e-5);
    const alpha = Number((await readGgufHeader(file)).metadata['adapter.lora.alpha']);
    for (const { scale, rank } of back.layout.modules) expect(scale).toBe(alpha / rank);
  });

  it('turns the rows of a Hugging Face base into the order of GGUF llamas', async () => {
    const hf: ExportModel = { ...llama, permutedQk: false };
    const file = join(await temporaryFolder(), 'adapter.gguf');
    const adapter = makeAdapter(hf);
    await writeGgufAdapter(file, adapter, hf);
    expect((await readGgufAdapter(file, hf)).values).toEqual(adapter.values);
    expect((await readGgufAdapter(file, llama)).values).not.toEqual(adapter.values);
  });

  it('refuses a file that is no LoRA for this base', async () => {
    const qwen = await makeModel(await temporaryFolder(), 'qwen3');
    const file = join(await temporaryFolder(), 'adapter.gguf');
    await writeGgufAdapter(file, makeAdapter(qwen), qwen);
    await expect(readGgufAdapter(file, llama)).rejects.toMatchObject({ code: 'NOT_A_LORA' });
    await expect(readGgufAdapter(llama.path, llama)).rejects.toMatchObject({ code: 'NOT_A_LORA' });
  });
});

describe('writeGguf', () => {
  it('leaves nothing behind when a tensor fails', async () => {
    const dir = await temporaryFolder();
    const tensor = { name: 't', ne: [4], type: 0, bytes: 16, data: () => new Uint8Array(8) };
    await expect(writeGguf(join(dir, 'x.gguf'), {}, [tensor])).rejects.toMatchObject({ code: 'WRITE_FAILED' });
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('writeMergedGguf', () => {
  const types = { base: 0, f32: 0, f16: 1 } as const;
  it.each(['base', 'f32', 'f16'] as const)('adds s B A to the adapted weights, type %s', async (type) => {
    const adapter = makeAdapter(
      llama,
      (layer, target) => (layer === 1 && target === 'attn_q' ? 3 : 0),
      () => 0.5,
    );
    const file = join(await temporaryFolder(), 'merged.gguf');
    await writeMergedGguf(file, adapter, llama, { type, dequantize, quantize });
    const [base, merged] = [await readWeights(llama.path), await readWeights(file)];
    expect([...merged.keys()]).toEqual([...base.keys()]);
    const delta = products(adapter)['blk.1.attn_q']!;
    for (const [name, { values, type: written }] of merged) {
      const before = base.get(name)!.values;
      if (name !== 'blk.1.attn_q.weight') {
        expect(values, name).toEqual(before);
        continue;
      }
      expect(written).toBe(types[type]);
      const error = Math.max(...values.map((value, i) => Math.abs(value - (before[i]! + delta[i]!))));
      expect(error).toBeLessThan(type === 'f16' ? 2e-3 : 1e-6);
    }
    expect((await readGgufHeader(file)).metadata).toMatchObject({ 'llama.block_count': 2, 'general.name': 'fixture' });
  });

  it('keeps Q8_0 as it is, and writes types that it cannot encode as F16', async () => {
    const q8 = await makeModel(await temporaryFolder(), 'llama', {
      type: GGML_Q8_0,
      bytes: (values) => quantize(GGML_Q8_0, values),
    });
    const file = join(await temporaryFolder(), 'merged.gguf');
    const adapter = makeAdapter(q8, undefined, () => 0.1);
    await writeMergedGguf(file, adapter, q8, { dequantize, quantize });
    const [base, merged] = [await readWeights(q8.path), await readWeights(file)];
    const { type, values } = merged.get('blk.0.ffn_up.weight')!;
    expect(type).toBe(GGML_Q8_0);
    const delta = products(adapter)['blk.0.ffn_up']!;
    const before = base.get('blk.0.ffn_up.weight')!.values;
    const error = Math.max(...values.map((value, i) => Math.abs(value - (before[i]! + delta[i]!))));
    // Half a step of at most max|w| / 127, and the rounding of the step itself.
    expect(error).toBeLessThan(0.51 * (1.3 / 127));
  });

  it('refuses a base whose tokenizer cannot be copied', async () => {
    const file = join(await temporaryFolder(), 'merged.gguf');
    const work = writeMergedGguf(file, makeAdapter(llama), { ...llama, format: 'hf' }, { dequantize, quantize });
    await expect(work).rejects.toMatchObject({ code: 'NOT_GGUF' });
  });
});
