import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GgufTensor, type GgufValue, ggufUint32, writeGguf } from '../../src/export/ggufFile.js';
import { GGML_F32, GGML_TYPES, tensorBytes } from '../../src/model/gguf/types.js';
import { loadModel } from '../../src/model/index.js';
import { Base, quantize, Trainer } from '../../src/native/engine.js';
import { randomStream } from '../../src/random.js';
import { llamaCppLosses } from '../support/llamaCpp.js';
import { readKeys } from '../support/splitGguf.js';

const TINY = fileURLToPath(new URL('../../datasets/base/tiny.gguf', import.meta.url));
const HIDDEN = 256;
const VOCAB = 1536;
const TOKENS = Array.from({ length: 32 }, (_, i) => (i * 389 + 7) % VOCAB);

/** Rows of random weights of that type: rounded to it where ggml can, else random blocks whose scales are small numbers. */
function weights(type: number, ne: readonly number[], seed: number): Uint8Array {
  const random = randomStream(seed, 'weights');
  const count = ne.reduce((product, n) => product * n, 1);
  try {
    return quantize(
      type,
      Float32Array.from({ length: count }, () => (random() - 0.5) / 4),
    );
  } catch {
    // No byte above 0x2f: whatever bytes a scale lies in, it is finite and below 0.1.
    const { name, blockBytes } = GGML_TYPES.get(type)!;
    const bytes = Uint8Array.from({ length: tensorBytes(GGML_TYPES.get(type)!, ne)! }, () =>
      Math.floor(random() * 0x30),
    );
    // Its scale is one byte, a power of two: 2^(byte - 127).
    if (name === 'MXFP4') for (let i = 0; i < bytes.length; i += blockBytes) bytes[i] = 120 + (bytes[i]! % 4);
    return bytes;
  }
}

async function write(path: string, keys: Record<string, GgufValue>, type: number): Promise<void> {
  const shapes: Record<string, number[]> = {
    'token_embd.weight': [HIDDEN, VOCAB],
    'blk.0.attn_q.weight': [HIDDEN, HIDDEN],
    'blk.0.attn_k.weight': [HIDDEN, HIDDEN / 2],
    'blk.0.attn_v.weight': [HIDDEN, HIDDEN / 2],
    'blk.0.attn_output.weight': [HIDDEN, HIDDEN],
    'blk.0.ffn_gate.weight': [HIDDEN, 2 * HIDDEN],
    'blk.0.ffn_up.weight': [HIDDEN, 2 * HIDDEN],
    'blk.0.ffn_down.weight': [2 * HIDDEN, HIDDEN],
    ...Object.fromEntries(
      ['output_norm', 'blk.0.attn_norm', 'blk.0.ffn_norm'].map((name) => [`${name}.weight`, [HIDDEN]]),
    ),
  };
  const ones = new Uint8Array(new Float32Array(HIDDEN).fill(1).buffer);
  const tensors = Object.entries(shapes).map(([name, ne], i): GgufTensor => {
    // The embedding tells tokens apart; where it is coarse, so is every loss.
    const own = ne.length === 1 || name === 'token_embd.weight' ? GGML_F32 : type;
    const bytes = ne.length === 1 ? ones : weights(own, ne, i);
    return { name, ne, type: own, bytes: bytes.length, data: () => bytes };
  });
  const sizes = {
    'llama.embedding_length': HIDDEN,
    'llama.block_count': 1,
    'llama.feed_forward_length': 2 * HIDDEN,
    'llama.attention.head_count': 4,
    'llama.attention.head_count_kv': 2,
    'llama.rope.dimension_count': HIDDEN / 4,
  };
  const sized = Object.fromEntries(Object.entries(sizes).map(([key, value]) => [key, ggufUint32(value)]));
  await writeGguf(path, { ...keys, ...sized }, tensors);
}

async function engineLosses(path: string): Promise<number[]> {
  const { description } = await loadModel(path);
  using base = new Base({ description, precision: 'f32' });
  using trainer = new Trainer({ base, modules: [{ module: 'blk.0.attn_q', rank: 1, scale: 1 }] });
  const tokens = Int32Array.from(TOKENS);
  const batch = { tokens, lossMask: new Uint8Array(tokens.length).fill(1), lengths: Int32Array.of(tokens.length) };
  return [...trainer.evaluate(batch, { adapter: false, all: true }).nll];
}

describe('every type of weights is read as llama.cpp reads it', () => {
  let folder: string;
  let keys: Record<string, GgufValue>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedtune-types-'));
    keys = await readKeys(TINY);
  });

  it.each([...GGML_TYPES].map(([id, { name }]) => [name, id] as const))('%s', async (name, id) => {
    const path = join(folder, `${name}.gguf`);
    await write(path, keys, id);
    const [ours, theirs] = [await engineLosses(path), await llamaCppLosses(path, undefined, [TOKENS])];
    // llama.cpp rounds activations to 8 bits for most types; blocks read wrongly would be other weights altogether.
    const far = ours.map((loss, i) => Math.abs(loss - theirs[i]!));
    expect(far.reduce((sum, value) => sum + value, 0) / far.length).toBeLessThan(0.15);
    expect(Math.max(...ours) - Math.min(...ours.slice(1))).toBeGreaterThan(1);
    await rm(path);
  });
});
