import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface HfTensor {
  name: string;
  dtype: string;
  shape: readonly number[];
}

const BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2, I64: 8, I8: 1 };

/** A safetensors file of zeros. `change` edits the header before it is written. */
export function buildSafetensors(
  tensors: readonly HfTensor[],
  change: (header: Record<string, unknown>) => void = () => {},
): Buffer {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  for (const { name, dtype, shape } of tensors) {
    const size = shape.reduce((product, n) => product * n, BYTES[dtype]!);
    header[name] = { dtype, shape, data_offsets: [offset, offset + size] };
    offset += size;
  }
  change(header);
  const json = JSON.stringify(header);
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(offset)]);
}

/** One layer: hidden 8, 2 heads of 4 with 1 key-value head, feed-forward 12, vocabulary 30. */
export function tinyConfig(): Record<string, unknown> {
  return {
    model_type: 'llama',
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 64,
    vocab_size: 30,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: false,
    bos_token_id: 27,
    eos_token_id: [28, 29],
  };
}

export function tinyTensors(dtype = 'F32'): HfTensor[] {
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [30, 8],
    'lm_head.weight': [30, 8],
    'model.norm.weight': [8],
    'model.layers.0.input_layernorm.weight': [8],
    'model.layers.0.self_attn.q_proj.weight': [8, 8],
    'model.layers.0.self_attn.k_proj.weight': [4, 8],
    'model.layers.0.self_attn.v_proj.weight': [4, 8],
    'model.layers.0.self_attn.o_proj.weight': [8, 8],
    'model.layers.0.post_attention_layernorm.weight': [8],
    'model.layers.0.mlp.gate_proj.weight': [12, 8],
    'model.layers.0.mlp.up_proj.weight': [12, 8],
    'model.layers.0.mlp.down_proj.weight': [8, 12],
  };
  return Object.entries(shapes).map(([name, shape]) => ({ name, dtype, shape }));
}

/** Lower-case letters, a space, and three control tokens. */
export function tinyTokenizer(): Record<string, unknown> {
  const letters = [...'abcdefghijklmnopqrstuvwxyz', '\u0120'];
  const special = ['<s>', '</s>', '<|im_end|>'];
  return {
    added_tokens: special.map((content, i) => ({ id: 27 + i, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: Object.fromEntries(letters.map((letter, id) => [letter, id])), merges: [] },
  };
}

export interface HfFolder {
  config?: Record<string, unknown>;
  tensors?: readonly HfTensor[];
  tokenizer?: Record<string, unknown> | null;
  settings?: Record<string, unknown>;
  /** Further files, by name. */
  files?: Record<string, string | Buffer>;
}

/** Writes a Hugging Face folder; what is not given is that of the tiny model. */
export function writeHf(folder: string, parts: HfFolder = {}): string {
  mkdirSync(folder, { recursive: true });
  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  json('config.json', { ...tinyConfig(), ...parts.config });
  if (parts.tokenizer !== null) json('tokenizer.json', parts.tokenizer ?? tinyTokenizer());
  if (parts.settings !== undefined) json('tokenizer_config.json', parts.settings);
  writeFileSync(join(folder, 'model.safetensors'), buildSafetensors(parts.tensors ?? tinyTensors()));
  for (const [name, content] of Object.entries(parts.files ?? {})) writeFileSync(join(folder, name), content);
  return folder;
}
