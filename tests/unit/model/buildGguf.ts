/** A value of GGUF metadata; numbers are written as the kind says. */
export type MetaValue =
  | { kind: 'u32'; value: number }
  | { kind: 'f32'; value: number }
  | { kind: 'bool'; value: boolean }
  | { kind: 'string'; value: string }
  | { kind: 'strings'; value: readonly string[] }
  | { kind: 'i32s'; value: readonly number[] }
  | { kind: 'f32s'; value: readonly number[] };

export interface TensorSpec {
  name: string;
  ne: readonly number[];
  /** F32 values; zeros where absent. */
  values?: readonly number[];
  /** Written instead of 0 (F32); the data stays F32-sized. */
  type?: number;
}

const TYPE = { u32: 4, f32: 6, bool: 7, string: 8, array: 9, i32: 5 };

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};
const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const f32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};
const string = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

function list(type: number, items: readonly Buffer[]): Buffer {
  return Buffer.concat([u32(TYPE.array), u32(type), u64(items.length), ...items]);
}

function meta(entry: MetaValue): Buffer {
  switch (entry.kind) {
    case 'u32':
      return Buffer.concat([u32(TYPE.u32), u32(entry.value)]);
    case 'f32':
      return Buffer.concat([u32(TYPE.f32), f32(entry.value)]);
    case 'bool':
      return Buffer.concat([u32(TYPE.bool), Buffer.of(entry.value ? 1 : 0)]);
    case 'string':
      return Buffer.concat([u32(TYPE.string), string(entry.value)]);
    case 'strings':
      return list(TYPE.string, entry.value.map(string));
    case 'i32s':
      return list(TYPE.i32, entry.value.map(u32));
    case 'f32s':
      return list(TYPE.f32, entry.value.map(f32));
  }
}

export interface BuiltGguf {
  bytes: Buffer;
  /** Length of everything before the tensor data. */
  headerBytes: number;
}

/** Writes a GGUF version 3 file by hand, as ggml's documentation describes it (docs/gguf.md), independent of any reader. */
export function buildGguf(metadata: Readonly<Record<string, MetaValue>>, tensors: readonly TensorSpec[]): BuiltGguf {
  const data: Buffer[] = [];
  const infos: Buffer[] = [];
  let offset = 0;
  for (const { name, ne, values, type = 0 } of tensors) {
    const count = ne.reduce((product, n) => product * n, 1);
    const padded = Math.ceil((count * 4) / 32) * 32;
    infos.push(Buffer.concat([string(name), u32(ne.length), ...ne.map(u64), u32(type), u64(offset)]));
    const bytes = Buffer.alloc(padded);
    for (const [i, value] of (values ?? []).entries()) bytes.writeFloatLE(value, 4 * i);
    data.push(bytes);
    offset += padded;
  }
  const entries = Object.entries(metadata).map(([key, value]) => Buffer.concat([string(key), meta(value)]));
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(entries.length),
    ...entries,
    ...infos,
  ]);
  const padding = Buffer.alloc(Math.ceil(head.length / 32) * 32 - head.length);
  return { bytes: Buffer.concat([head, padding, ...data]), headerBytes: head.length + padding.length };
}

/** Byte tokens and a few words: `<unk> <s> </s> <0x00> ... <0xFF> ▁ a b c ▁a ab` with scores. */
export function tinySpm(): Record<string, MetaValue> {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const words = ['\u2581', 'a', 'b', 'c', '\u2581a', 'ab'];
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...words];
  return {
    'tokenizer.ggml.model': { kind: 'string', value: 'llama' },
    'tokenizer.ggml.tokens': { kind: 'strings', value: tokens },
    'tokenizer.ggml.scores': {
      kind: 'f32s',
      value: tokens.map((token) => (token === 'ab' ? 2 : token === '\u2581a' ? 1 : 0)),
    },
    'tokenizer.ggml.token_type': { kind: 'i32s', value: [2, 3, 3, ...bytes.map(() => 6), ...words.map(() => 1)] },
    'tokenizer.ggml.bos_token_id': { kind: 'u32', value: 1 },
    'tokenizer.ggml.eos_token_id': { kind: 'u32', value: 2 },
    'tokenizer.ggml.unknown_token_id': { kind: 'u32', value: 0 },
  };
}

export interface TinyOptions {
  architecture?: string;
  layers?: number;
  metadata?: Record<string, MetaValue | undefined>;
  /** Changes or (undefined) removes tensors, by name. */
  tensors?: Record<string, Partial<TensorSpec> | undefined>;
  extra?: readonly TensorSpec[];
}

const HIDDEN = 8;
const HEADS = 2;
const KV = 4;
const FFN = 12;
const VOCAB = 265;

/** The smallest model that is whole: hidden 8, 2 heads of 4 with 1 key-value head, feed-forward 12, vocabulary 265. */
export function tinyModel(options: TinyOptions = {}): { metadata: Record<string, MetaValue>; tensors: TensorSpec[] } {
  const { architecture = 'llama', layers = 1 } = options;
  const count = (value: number): MetaValue => ({ kind: 'u32', value });
  const metadata: Record<string, MetaValue | undefined> = {
    'general.architecture': { kind: 'string', value: architecture },
    'general.name': { kind: 'string', value: 'tiny' },
    [`${architecture}.context_length`]: count(64),
    [`${architecture}.embedding_length`]: count(HIDDEN),
    [`${architecture}.block_count`]: count(layers),
    [`${architecture}.feed_forward_length`]: count(FFN),
    [`${architecture}.attention.head_count`]: count(HEADS),
    [`${architecture}.attention.head_count_kv`]: count(1),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: { kind: 'f32', value: 1e-5 },
    [`${architecture}.rope.freq_base`]: { kind: 'f32', value: 10000 },
    ...tinySpm(),
    ...options.metadata,
  };
  const tensors: TensorSpec[] = [
    { name: 'token_embd.weight', ne: [HIDDEN, VOCAB] },
    { name: 'output_norm.weight', ne: [HIDDEN] },
  ];
  for (let layer = 0; layer < layers; layer++) {
    const shapes: Record<string, number[]> = {
      'attn_norm.weight': [HIDDEN],
      'attn_q.weight': [HIDDEN, HIDDEN],
      'attn_k.weight': [HIDDEN, KV],
      'attn_v.weight': [HIDDEN, KV],
      'attn_output.weight': [HIDDEN, HIDDEN],
      'ffn_norm.weight': [HIDDEN],
      'ffn_gate.weight': [HIDDEN, FFN],
      'ffn_up.weight': [HIDDEN, FFN],
      'ffn_down.weight': [FFN, HIDDEN],
    };
    for (const [name, ne] of Object.entries(shapes)) tensors.push({ name: `blk.${layer}.${name}`, ne });
  }
  const changed = tensors.flatMap((tensor) => {
    if (options.tensors === undefined || !(tensor.name in options.tensors)) return [tensor];
    const change = options.tensors[tensor.name];
    return change === undefined ? [] : [{ ...tensor, ...change }];
  });
  const kept = Object.entries(metadata).filter((entry): entry is [string, MetaValue] => entry[1] !== undefined);
  return { metadata: Object.fromEntries(kept), tensors: [...changed, ...(options.extra ?? [])] };
}

/** The bytes of tinyModel. */
export function tinyGguf(options: TinyOptions = {}): BuiltGguf {
  const { metadata, tensors } = tinyModel(options);
  return buildGguf(metadata, tensors);
}
