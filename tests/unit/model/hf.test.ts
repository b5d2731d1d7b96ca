import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../src/errors.js';
import { loadModel } from '../../../src/model/index.js';
import { stream } from '../../support/mutate.js';
import { buildSafetensors, type HfFolder, tinyConfig, tinyTensors, tinyTokenizer, writeHf } from './buildHf.js';

const root = mkdtempSync(join(tmpdir(), 'fedtune-hf-'));
let folders = 0;
const fresh = () => join(root, String(folders++));
const load = (parts: HfFolder = {}) => loadModel(writeHf(fresh(), parts));
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'loaded',
    (error: unknown) => {
      if (!(error instanceof ModelError)) throw error;
      return error.code;
    },
  );

describe('a Hugging Face folder', () => {
  it('gives canonical names and places without copying', async () => {
    const model = await load({ tensors: tinyTensors('BF16') });
    expect(model).toMatchObject({ format: 'hf', permutedQk: false });
    expect(model.description).toMatchObject({
      architecture: 'llama',
      headDim: 4,
      ropes: [{ dim: 4, pairing: 'half' }],
      vocabSize: 30,
    });
    const byName = new Map(model.description.tensors.map((tensor) => [tensor.name, tensor]));
    expect(byName.size).toBe(12);
    expect(byName.get('blk.0.ffn_down.weight')).toMatchObject({ ne: [12, 8], type: 30, bytes: 12 * 8 * 2 });
    const embedding = byName.get('token_embd.weight')!;
    expect(byName.get('output.weight')!.offset).toBe(embedding.offset + 30 * 8 * 2);
  });

  it('tied: the head is the embedding, a stray lm_head is left out', async () => {
    const model = await load({ config: { tie_word_embeddings: true } });
    expect(model.description.tensors.map(({ name }) => name)).not.toContain('output.weight');
    const missing = tinyTensors().filter(({ name }) => name !== 'lm_head.weight');
    expect(await code(load({ tensors: missing }))).toBe('MISSING_TENSOR');
  });

  it('shards: those that the index names, hashed together', async () => {
    const folder = writeHf(fresh());
    rmSync(join(folder, 'model.safetensors'));
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const shards = [tinyTensors().slice(0, 5), tinyTensors().slice(5)].map((part) => buildSafetensors(part));
    for (const [i, name] of names.entries()) writeFileSync(join(folder, name), shards[i]!);
    writeFileSync(join(folder, 'other.safetensors'), 'not looked at');
    const map = Object.fromEntries(tinyTensors().map(({ name }, i) => [name, names[i < 5 ? 0 : 1]]));
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    const model = await loadModel(folder);
    expect(model.description.files).toEqual(names.map((name) => join(folder, name)));
    const sha = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
    expect(model.sha256).toBe(sha(shards.map((shard, i) => `${sha(shard)}  ${names[i]}\n`).join('')));
    rmSync(join(folder, names[1]!));
    expect(await code(loadModel(folder))).toBe('NOT_FOUND');
  });

  it.each([
    [
      'an adapter',
      { 'adapter_model.safetensors': buildSafetensors([{ name: 'x.lora_A.weight', dtype: 'F32', shape: [2, 8] }]) },
    ],
    ['the weights under another name', { 'consolidated.safetensors': buildSafetensors(tinyTensors()) }],
    [
      'an index whose shards are gone',
      { 'model.safetensors.index.json': '{"weight_map":{"model.norm.weight":"model-00001-of-00002.safetensors"}}' },
    ],
    [
      'an index of shards that are there',
      {
        'model.safetensors.index.json': '{"weight_map":{"x":"model-00001-of-00001.safetensors"}}',
        'model-00001-of-00001.safetensors': buildSafetensors([{ name: 'x', dtype: 'F32', shape: [2] }]),
      },
    ],
    ['a damaged index', { 'model.safetensors.index.json': '{' }],
  ])('takes model.safetensors, whatever lies beside it: %s', async (_, files) => {
    const folder = writeHf(fresh(), { files });
    const model = await loadModel(folder);
    expect(model.description.files).toEqual([join(folder, 'model.safetensors')]);
  });

  it('takes tokens beyond the embedding as far as no text needs them', async () => {
    const tokenizer = tinyTokenizer();
    const added = tokenizer.added_tokens as object[];
    const pad = { id: 30, content: '<pad>', special: true };
    const far = { id: 40, content: 'xyz', special: false };
    const settings = { pad_token: '<pad>', bos_token: '<s>' };
    const model = await load({ tokenizer: { ...tokenizer, added_tokens: [...added, pad, far] }, settings });
    expect(model.tokenizer).toMatchObject({ vocabSize: 30, bosId: 27, eosId: 28 });
    expect([...model.tokenizer.specialTokens.keys()]).toEqual(['<s>', '</s>', '<|im_end|>']);
    expect(model.tokenizer.encode('ab</s>', { special: true })).toEqual([0, 1, 28]);
    const needed = () => model.tokenizer.encode('a<pad>', { special: true });
    expect(needed).toThrow(
      expect.objectContaining({ code: 'BAD_TOKENIZER', message: expect.stringContaining('"<pad>"') }),
    );
    expect(() => model.tokenizer.encode('axyz')).toThrow(expect.objectContaining({ code: 'BAD_TOKENIZER' }));
  });

  it('RoPE: llama3 factors as transformers has them, linear, under the new name', async () => {
    const scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    };
    const wide = { head_dim: 16, rope_theta: 500000, rope_scaling: scaling };
    const tensors = tinyTensors().map(({ name, ...rest }) => {
      const shape = name.includes('q_proj')
        ? [32, 8]
        : /[kv]_proj/.test(name)
          ? [16, 8]
          : name.includes('o_proj')
            ? [8, 32]
            : rest.shape;
      return { ...rest, name, shape };
    });
    const factors = (await load({ config: wide, tensors })).description.ropes[0]!.factors!;
    // transformers 5.24, LlamaRotaryEmbedding of this config in bfloat16: inv_freq[1] = 7.9590e-02, inv_freq[2] = 4.6997e-03.
    expect(factors[0]).toBe(1);
    expect(500000 ** (-2 / 16) / factors[1]!).toBeCloseTo(7.959e-2, 3);
    expect(500000 ** (-4 / 16) / factors[2]!).toBeCloseTo(4.6997e-3, 4);
    expect(factors.slice(2)).toEqual([8, 8, 8, 8, 8, 8]);
    const linear = await load({
      config: { rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 5000 }, rope_theta: null },
    });
    expect(linear.description).toMatchObject({ ropes: [{ theta: 5000, factors: [2, 2] }] });
    expect(await code(load({ config: { rope_scaling: { type: 'dynamic', factor: 2 } } }))).toBe('UNSUPPORTED_ROPE');
  });

  it('Mistral is a llama with a window, which counts where it is shorter than the context', async () => {
    const mistral = await load({ config: { model_type: 'mistral', sliding_window: 32 } });
    expect(mistral.description).toMatchObject({ architecture: 'llama', layers: [{ rope: 0, window: 32 }] });
    const { contextLength } = mistral.description;
    const plain = await load({ config: { model_type: 'mistral', sliding_window: contextLength } });
    expect(plain.description.layers).toEqual([{ rope: 0 }]);
  });

  it('takes the biases that config.json speaks of, and refuses others', async () => {
    const bias = { name: 'model.layers.0.self_attn.o_proj.bias', dtype: 'F32', shape: [8] };
    const qkv = [8, 4, 4].map((size, i) => ({
      ...bias,
      name: bias.name.replace('o_proj', `${'qkv'[i]}_proj`),
      shape: [size],
    }));
    const all = await load({ config: { attention_bias: true }, tensors: [...tinyTensors(), bias, ...qkv] });
    expect(all.description.tensors.filter(({ name }) => name.endsWith('.bias'))).toHaveLength(4);
    await expect(load({ config: { attention_bias: true }, tensors: [...tinyTensors(), bias] })).rejects.toMatchObject({
      code: 'MISSING_TENSOR',
    });
  });

  it('roles and chat template from tokenizer_config.json, else from config.json', async () => {
    const bare = await load();
    expect(bare.tokenizer).toMatchObject({
      kind: 'json',
      bosId: 27,
      eosId: 28,
      eotId: 29,
      addBos: false,
      vocabSize: 30,
    });
    expect(bare.chatTemplate).toBeUndefined();
    const settings = {
      bos_token: { content: '</s>' },
      eos_token: '<s>',
      add_bos_token: true,
      chat_template: [
        { name: 'tools', template: 'no' },
        { name: 'default', template: 'yes' },
      ],
    };
    const model = await load({ settings });
    expect(model.tokenizer).toMatchObject({ bosId: 28, eosId: 27, addBos: true });
    expect(model.chatTemplate).toBe('yes');
    expect((await load({ settings, files: { 'chat_template.jinja': 'file' } })).chatTemplate).toBe('file');
    expect(model.tokenizer.encode('ab</s>', { special: true })).toEqual([0, 1, 28]);
    expect(model.tokenizer.encode('b a')).toEqual([1, 26, 0]);
    expect(model.tokenizer.decode([0, 26, 1, 28])).toBe('a b');
    expect(model.tokenizer.decode([0, 28, 1], { special: true })).toBe('a</s>b');
    expect(model.tokenizer.decode([])).toBe('');
  });
});

describe('a Hugging Face folder that is not', () => {
  const bias = { name: 'model.layers.0.self_attn.o_proj.bias', dtype: 'F32', shape: [8] };
  const swapped = tinyTensors().map((t) => (t.name.endsWith('up_proj.weight') ? { ...t, shape: [8, 12] } : t));
  const cases: [string, HfFolder, string][] = [
    ['of an unsupported architecture', { config: { model_type: 'gpt_neox' } }, 'UNSUPPORTED_ARCHITECTURE'],
    ['without a type', { config: { model_type: 7 } }, 'UNSUPPORTED_ARCHITECTURE'],
    ['with another activation', { config: { hidden_act: 'gelu' } }, 'UNSUPPORTED_ARCHITECTURE'],
    ['with a quantised checkpoint', { config: { quantization_config: {} } }, 'UNSUPPORTED_TYPE'],
    ['with huge dimensions', { config: { hidden_size: 1e15 } }, 'BAD_METADATA'],
    ['without a dimension', { config: { num_hidden_layers: null } }, 'BAD_METADATA'],
    [
      'with a tensor of integers',
      { tensors: [...tinyTensors().slice(1), { name: 'model.embed_tokens.weight', dtype: 'I8', shape: [30, 8] }] },
      'UNSUPPORTED_TYPE',
    ],
    ['with a wrong shape', { tensors: swapped }, 'BAD_SHAPE'],
    ['with a missing tensor', { tensors: tinyTensors().slice(0, -1) }, 'MISSING_TENSOR'],
    ['with a bias that would be left out', { tensors: [...tinyTensors(), bias] }, 'UNSUPPORTED_TENSOR'],
    ['without a tokenizer', { tokenizer: null }, 'BAD_TOKENIZER'],
    ['with a broken tokenizer', { files: { 'tokenizer.json': '{' } }, 'BAD_TOKENIZER'],
    [
      'with a token of no place',
      { tokenizer: { ...tinyTokenizer(), added_tokens: [{ id: -1, content: 'x', special: true }] } },
      'BAD_TOKENIZER',
    ],
    ['with a broken config', { files: { 'config.json': '[]' } }, 'BAD_METADATA'],
  ];
  it.each(cases)('%s', async (_, parts, expected) => {
    expect(await code(load(parts))).toBe(expected);
  });

  it.each([
    ['an index that leaves the folder', { weight_map: { a: '../x.safetensors' } }],
    ['an index without files', { weight_map: {} }],
    ['an index of numbers', { weight_map: { a: 7 } }],
    ['an index without its map', {}],
  ])('with %s', async (_, index) => {
    const folder = writeHf(fresh(), { files: { 'model.safetensors.index.json': JSON.stringify(index) } });
    expect(await code(loadModel(folder))).toBe('loaded');
    rmSync(join(folder, 'model.safetensors'));
    expect(await code(loadModel(folder))).toBe('BAD_METADATA');
  });

  it('without weights that transformers would load: says what is there instead', async () => {
    const folder = writeHf(fresh(), { files: { 'pytorch_model.bin': '', 'consolidated.safetensors': '' } });
    rmSync(join(folder, 'model.safetensors'));
    const words = 'only consolidated.safetensors, pytorch_model.bin';
    await expect(loadModel(folder)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining(words),
    });
  });

  it('empty', async () => {
    const folder = fresh();
    mkdirSync(folder);
    expect(await code(loadModel(folder))).toBe('NOT_FOUND');
    writeFileSync(join(folder, 'config.json'), JSON.stringify(tinyConfig()));
    expect(await code(loadModel(folder))).toBe('NOT_FOUND');
  });

  it('with damaged safetensors', async () => {
    const broken = (bytes: Buffer) => code(load({ files: { 'model.safetensors': bytes } }));
    const good = buildSafetensors(tinyTensors());
    expect(await broken(good.subarray(0, 4))).toBe('TRUNCATED');
    expect(await broken(good.subarray(0, 100))).toBe('TRUNCATED');
    expect(await broken(good.subarray(0, good.length - 8))).toBe('TRUNCATED');
    expect(await broken(Buffer.from('GGUF, or something else that is long enough'))).toBe('NOT_SAFETENSORS');
    const edit = (value: object) =>
      buildSafetensors(tinyTensors(), (header) => {
        header.a = value;
      });
    expect(await broken(edit({ dtype: 'F32', shape: [2], data_offsets: [0, 8] }))).toBe('BAD_HEADER');
    expect(await broken(edit({ dtype: 'F32', shape: [-1], data_offsets: [0, 8] }))).toBe('BAD_HEADER');
    expect(await broken(edit({ dtype: 'F32', shape: [3], data_offsets: [0, 8] }))).toBe('BAD_SHAPE');
    expect(await broken(edit({ dtype: 'F32', shape: [2], data_offsets: [8, 0] }))).toBe('BAD_HEADER');
    const random = stream(4);
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(good);
      bytes[random(1200)]! ^= 1 << random(8);
      expect(await broken(bytes)).toMatch(/^[A-Za-z_]+$/);
    }
  });
});
