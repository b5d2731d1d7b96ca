import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../src/errors.js';
import { loadModel } from '../../../src/model/index.js';
import { type MetaValue, type TinyOptions, tinyGguf } from './buildGguf.js';

const folder = mkdtempSync(join(tmpdir(), 'fedtune-gguf-'));
let files = 0;

function write(bytes: Buffer): string {
  const path = join(folder, `${files++}.gguf`);
  writeFileSync(path, bytes);
  return path;
}

const load = (bytes: Buffer) => loadModel(write(bytes));

async function failure(bytes: Buffer): Promise<ModelError> {
  const error = await load(bytes).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

const count = (value: number): MetaValue => ({ kind: 'u32', value });
const text = (value: string): MetaValue => ({ kind: 'string', value });

describe('a GGUF file that is whole', () => {
  it('gives hyper-parameters and tensors in a fixed order', async () => {
    const { bytes, headerBytes } = tinyGguf({ layers: 2 });
    const model = await load(bytes);
    expect(model).toMatchObject({ name: 'tiny', format: 'gguf', permutedQk: true, embedded: false });
    const { tensors, ...description } = model.description;
    expect(description).toEqual({
      architecture: 'llama',
      numLayers: 2,
      hiddenSize: 8,
      numHeads: 2,
      numKvHeads: 1,
      headDim: 4,
      ffnSize: 12,
      vocabSize: 265,
      contextLength: 64,
      normEps: Math.fround(1e-5),
      qkNorm: 'none',
      activation: 'silu',
      ropes: [{ theta: 10000, dim: 4, pairing: 'interleaved' }],
      layers: [{ rope: 0 }, { rope: 0 }],
      files: [model.path],
    });
    expect(tensors).toHaveLength(2 + 2 * 9);
    expect(tensors[0]).toEqual({
      name: 'token_embd.weight',
      file: 0,
      offset: headerBytes,
      bytes: 8 * 265 * 4,
      type: 0,
      ne: [8, 265],
    });
    expect(tensors.map(({ name }) => name)).toContain('blk.1.ffn_down.weight');
  });

  it('has the sha256 of its bytes', async () => {
    const { bytes } = tinyGguf();
    const { createHash } = await import('node:crypto');
    expect((await load(bytes)).sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('qwen2 needs biases, qwen3 norms of q and k; neither permutes', async () => {
    const bias = [8, 4, 4].map((n, i) => ({ name: `blk.0.attn_${'qkv'[i]}.bias`, ne: [n] }));
    const qwen2 = await load(tinyGguf({ architecture: 'qwen2', extra: bias }).bytes);
    expect(qwen2).toMatchObject({ permutedQk: false, description: { ropes: [{ pairing: 'half' }] } });
    expect(qwen2.description.tensors.filter(({ name }) => name.endsWith('.bias'))).toHaveLength(3);
    const norms = ['q', 'k'].map((x) => ({ name: `blk.0.attn_${x}_norm.weight`, ne: [4] }));
    expect((await load(tinyGguf({ architecture: 'qwen3', extra: norms }).bytes)).description.tensors).toHaveLength(13);
    expect((await failure(tinyGguf({ architecture: 'qwen2' }).bytes)).message).toContain('blk.0.attn_q.bias');
    expect((await failure(tinyGguf({ architecture: 'qwen3' }).bytes)).code).toBe('MISSING_TENSOR');
  });

  it('reads explicit head sizes, an untied head and RoPE scaling', async () => {
    const wide = {
      metadata: {
        'llama.attention.key_length': count(8),
        'llama.attention.value_length': count(8),
        'llama.rope.dimension_count': count(8),
      },
      tensors: {
        'blk.0.attn_q.weight': { ne: [8, 16] },
        'blk.0.attn_k.weight': { ne: [8, 8] },
        'blk.0.attn_v.weight': { ne: [8, 8] },
        'blk.0.attn_output.weight': { ne: [16, 8] },
      },
      extra: [{ name: 'output.weight', ne: [8, 265] }],
    };
    const model = await load(tinyGguf(wide).bytes);
    expect(model.description).toMatchObject({ headDim: 8, ropes: [{ dim: 8 }] });
    expect(model.description.tensors.map(({ name }) => name)).toContain('output.weight');
    const freqs = { extra: [{ name: 'rope_freqs.weight', ne: [2], values: [1, 8] }] };
    expect((await load(tinyGguf(freqs).bytes)).description.ropes[0]!.factors).toEqual([1, 8]);
    const linear = {
      metadata: {
        'llama.rope.scaling.type': text('linear'),
        'llama.rope.scaling.factor': { kind: 'f32', value: 4 } as const,
      },
    };
    expect((await load(tinyGguf(linear).bytes)).description.ropes[0]!.factors).toEqual([4, 4]);
  });
});

describe('a GGUF file that is not', () => {
  const cases: [string, TinyOptions, string, string][] = [
    ['an unsupported architecture', { architecture: 'gpt2' }, 'UNSUPPORTED_ARCHITECTURE', 'llama, qwen2, qwen3'],
    ['no architecture', { metadata: { 'general.architecture': undefined } }, 'UNSUPPORTED_ARCHITECTURE', 'of none'],
    ['an adapter', { metadata: { 'general.type': text('adapter') } }, 'NOT_A_MODEL', '"adapter"'],
    ['a part of a split model without its name', { metadata: { 'split.count': count(3) } }, 'SPLIT_FILE', '--merge'],
    ['a missing tensor', { tensors: { 'blk.0.ffn_up.weight': undefined } }, 'MISSING_TENSOR', 'blk.0.ffn_up.weight'],
    ['a missing embedding', { tensors: { 'token_embd.weight': undefined } }, 'MISSING_TENSOR', 'token_embd.weight'],
    ['a transposed tensor', { tensors: { 'blk.0.ffn_up.weight': { ne: [12, 8] } } }, 'BAD_SHAPE', '[8,12]'],
    ['a tensor of an unknown type', { tensors: { 'blk.0.ffn_up.weight': { type: 99 } } }, 'UNSUPPORTED_TYPE', 'Q4_K'],
    [
      'rows that are no whole blocks',
      { tensors: { 'blk.0.ffn_up.weight': { type: 8 } } },
      'BAD_SHAPE',
      'multiple of 32',
    ],
    [
      'an unknown tensor',
      { extra: [{ name: 'blk.0.ffn_gate_inp.weight', ne: [8, 4] }] },
      'UNSUPPORTED_TENSOR',
      'ffn_gate_inp',
    ],
    ['a tensor twice', { extra: [{ name: 'output_norm.weight', ne: [8] }] }, 'BAD_HEADER', 'twice'],
    [
      'no hidden size',
      { metadata: { 'llama.embedding_length': undefined } },
      'MISSING_METADATA',
      'llama.embedding_length',
    ],
    ['a hidden size of text', { metadata: { 'llama.embedding_length': text('8') } }, 'BAD_METADATA', 'string 8'],
    ['a huge number of layers', { metadata: { 'llama.block_count': count(4e9) } }, 'BAD_METADATA', '1 to 512'],
    ['no heads', { metadata: { 'llama.attention.head_count': count(0) } }, 'BAD_METADATA', 'head_count'],
    [
      'heads that do not share evenly',
      { metadata: { 'llama.attention.head_count_kv': count(3) } },
      'BAD_METADATA',
      'multiple',
    ],
    [
      'a zero epsilon',
      { metadata: { 'llama.attention.layer_norm_rms_epsilon': { kind: 'f32', value: 0 } } },
      'BAD_METADATA',
      'epsilon',
    ],
    [
      'a NaN RoPE base',
      { metadata: { 'llama.rope.freq_base': { kind: 'f32', value: Number.NaN } } },
      'BAD_METADATA',
      'freq_base',
    ],
    ['YaRN scaling', { metadata: { 'llama.rope.scaling.type': text('yarn') } }, 'UNSUPPORTED_ROPE', 'yarn'],
    ['RoPE factors of another size', { extra: [{ name: 'rope_freqs.weight', ne: [3] }] }, 'BAD_SHAPE', 'rope_freqs'],
    ['a strange alignment', { metadata: { 'general.alignment': count(33) } }, 'BAD_HEADER', 'alignment'],
    ['an unknown tokenizer', { metadata: { 'tokenizer.ggml.model': text('t5') } }, 'BAD_TOKENIZER', '"t5"'],
    ['no tokens', { metadata: { 'tokenizer.ggml.tokens': undefined } }, 'BAD_TOKENIZER', 'tokens'],
    [
      'too many tokens',
      { metadata: { 'llama.vocab_size': count(100) }, tensors: { 'token_embd.weight': { ne: [8, 100] } } },
      'BAD_TOKENIZER',
      '100 rows',
    ],
    [
      'scores of another number',
      { metadata: { 'tokenizer.ggml.scores': { kind: 'f32s', value: [1] } } },
      'BAD_TOKENIZER',
      '1 scores',
    ],
    ['an end token outside', { metadata: { 'tokenizer.ggml.eos_token_id': count(9999) } }, 'BAD_TOKENIZER', '9999'],
    ['BPE without merges', { metadata: { 'tokenizer.ggml.model': text('gpt2') } }, 'BAD_TOKENIZER', 'merges'],
    [
      'an unknown pre-tokenizer',
      { metadata: { 'tokenizer.ggml.model': text('gpt2'), 'tokenizer.ggml.pre': text('klingon') } },
      'BAD_TOKENIZER',
      'smollm',
    ],
  ];
  it.each(cases)('%s', async (_, options, code, words) => {
    const error = await failure(tinyGguf(options).bytes);
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
  });

  it('another kind of file, an empty one, none at all', async () => {
    expect((await failure(Buffer.from('PK\u0003\u0004 not a model, but long enough to be read'))).code).toBe(
      'NOT_GGUF',
    );
    expect((await failure(Buffer.alloc(0))).code).toBe('TRUNCATED');
    await expect(loadModel(join(folder, 'absent.gguf'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('a version of the future or of a big-endian machine', async () => {
    const { bytes } = tinyGguf();
    bytes.writeUInt32LE(4, 4);
    expect((await failure(bytes)).code).toBe('UNSUPPORTED_VERSION');
    bytes.writeUInt32BE(3, 4);
    expect((await failure(bytes)).message).toContain('big-endian');
  });

  it('cut anywhere: in the header or in the data', async () => {
    const { bytes, headerBytes } = tinyGguf();
    for (const at of [10, 23, 30, 100, headerBytes >> 1, headerBytes - 40, headerBytes + 4, bytes.length - 200]) {
      expect((await failure(bytes.subarray(0, at))).code, `cut at ${at}`).toBe('TRUNCATED');
    }
  });

  it('counts that no file could hold end at once', async () => {
    const start = performance.now();
    const { bytes } = tinyGguf();
    bytes.writeBigUInt64LE(2n ** 63n, 8);
    expect((await failure(bytes)).code).toBe('BAD_HEADER');
    bytes.writeBigUInt64LE(99_999n, 8);
    expect((await failure(bytes)).code).toBe('TRUNCATED');
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('tensors that overlap', async () => {
    const { bytes, headerBytes } = tinyGguf();
    const name = Buffer.from('blk.0.ffn_down.weight');
    const at = bytes.indexOf(name) + name.length + 4 + 16 + 4;
    expect(at).toBeLessThan(headerBytes);
    bytes.writeBigUInt64LE(0n, at);
    expect((await failure(bytes)).message).toContain('overlap');
  });
});
