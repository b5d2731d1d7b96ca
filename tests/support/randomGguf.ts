import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GGUFValueType } from '@huggingface/gguf';
import {
  type GgufKeys,
  type GgufTensor,
  ggufFloat32,
  ggufString,
  ggufUint32,
  writeGguf,
} from '../../src/export/ggufFile.js';
import { noise } from './tinyModel.js';

const HIDDEN = 64;
const FFN = 96;
const HEADS = 4;
const KV_HEADS = 2;
const HEAD_DIM = 16;
const VOCAB = 320;
const [Q, KV] = [HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM];

interface Recipe {
  readonly layers: number;
  /** Metadata beyond what all have, without the architecture in front. */
  readonly keys: Readonly<Record<string, number>>;
  /** Tensors of a block beyond the linear layers, and those that are not there. */
  readonly norms: Readonly<Record<string, number>>;
  readonly fused?: boolean;
}

const PRE = { attn_norm: HIDDEN, ffn_norm: HIDDEN };
const POST = { post_attention_norm: HIDDEN, post_ffw_norm: HIDDEN };

/** What converters of llama.cpp write for each architecture. */
export const RECIPES: Readonly<Record<string, Recipe>> = {
  gemma2: {
    layers: 4,
    keys: { 'attention.sliding_window': 20, attn_logit_softcapping: 5, final_logit_softcapping: 6 },
    norms: { ...PRE, ...POST },
  },
  gemma3: {
    layers: 6,
    keys: { 'attention.sliding_window': 20 },
    norms: { ...PRE, ...POST, attn_q_norm: HEAD_DIM, attn_k_norm: HEAD_DIM },
  },
  phi3: { layers: 3, keys: {}, norms: PRE, fused: true },
  smollm3: { layers: 4, keys: {}, norms: PRE },
  olmo2: { layers: 3, keys: {}, norms: { ...POST, attn_q_norm: Q, attn_k_norm: KV } },
  granite: {
    layers: 3,
    keys: { embedding_scale: 5, residual_scale: 0.3, 'attention.scale': 0.2, logit_scale: 2 },
    norms: PRE,
  },
};

function tokenizerKeys(): GgufKeys {
  // The last is one that llama.cpp looks for in every phi3.
  const tokens = ['<unk>', '<s>', '</s>', '<|endoftext|>'];
  for (let byte = 0; byte < 256; byte++) tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  while (tokens.length < VOCAB) tokens.push(`▁w${tokens.length}`);
  const list = (subType: GGUFValueType, value: unknown) => ({ type: GGUFValueType.ARRAY, subType, value }) as never;
  return {
    'tokenizer.ggml.model': ggufString('llama'),
    'tokenizer.ggml.tokens': list(GGUFValueType.STRING, tokens),
    'tokenizer.ggml.scores': list(
      GGUFValueType.FLOAT32,
      tokens.map((_, id) => -id),
    ),
    'tokenizer.ggml.token_type': list(
      GGUFValueType.INT32,
      tokens.map((_, id) => (id === 0 ? 2 : id < 4 ? 3 : id < 260 ? 6 : 1)),
    ),
    'tokenizer.ggml.bos_token_id': ggufUint32(1),
    'tokenizer.ggml.eos_token_id': ggufUint32(2),
  };
}

/** Path of a GGUF file of an architecture of RECIPES with random F32 weights, norms away from 1. */
export async function writeRandomGguf(architecture: string): Promise<string> {
  const { layers, keys, norms, fused = false } = RECIPES[architecture]!;
  const next = noise(13);
  const tensor = (name: string, ne: number[]): GgufTensor => {
    const spread = name.includes('norm') ? 0.2 : 0.12;
    const values = Float32Array.from(
      { length: ne.reduce((a, b) => a * b, 1) },
      () => (name.includes('norm') ? 1 : 0) + spread * next(),
    );
    return { name, ne, type: 0, bytes: values.byteLength, data: () => new Uint8Array(values.buffer) };
  };
  const linears: Record<string, number[]> = {
    ...(fused
      ? { attn_qkv: [HIDDEN, Q + 2 * KV] }
      : { attn_q: [HIDDEN, Q], attn_k: [HIDDEN, KV], attn_v: [HIDDEN, KV] }),
    attn_output: [Q, HIDDEN],
    ...(fused ? { ffn_up: [HIDDEN, 2 * FFN] } : { ffn_gate: [HIDDEN, FFN], ffn_up: [HIDDEN, FFN] }),
    ffn_down: [FFN, HIDDEN],
  };
  const tensors = [tensor('token_embd.weight', [HIDDEN, VOCAB]), tensor('output_norm.weight', [HIDDEN])];
  if (architecture === 'olmo2' || architecture === 'phi3') tensors.push(tensor('output.weight', [HIDDEN, VOCAB]));
  for (let layer = 0; layer < layers; layer++) {
    for (const [name, size] of Object.entries(norms)) tensors.push(tensor(`blk.${layer}.${name}.weight`, [size]));
    for (const [name, ne] of Object.entries(linears)) tensors.push(tensor(`blk.${layer}.${name}.weight`, ne));
  }
  const key = (name: string) => `${architecture}.${name}`;
  const counts = {
    context_length: 256,
    embedding_length: HIDDEN,
    block_count: layers,
    feed_forward_length: FFN,
    vocab_size: VOCAB,
    'attention.head_count': HEADS,
    'attention.head_count_kv': KV_HEADS,
    'attention.key_length': HEAD_DIM,
    'attention.value_length': HEAD_DIM,
    'rope.dimension_count': HEAD_DIM,
  };
  const numbers = Object.entries(keys).map(([name, value]) => [
    key(name),
    name.includes('window') ? ggufUint32(value) : ggufFloat32(value),
  ]);
  const path = join(mkdtempSync(join(tmpdir(), 'fedtune-random-')), `${architecture}.gguf`);
  await writeGguf(
    path,
    {
      'general.architecture': ggufString(architecture),
      'general.name': ggufString(`${architecture}, random`),
      ...Object.fromEntries(Object.entries(counts).map(([name, value]) => [key(name), ggufUint32(value)])),
      [key('attention.layer_norm_rms_epsilon')]: ggufFloat32(1e-5),
      [key('rope.freq_base')]: ggufFloat32(10_000),
      ...Object.fromEntries(numbers),
      ...tokenizerKeys(),
    },
    tensors,
  );
  return path;
}
