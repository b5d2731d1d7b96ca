import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelDescription, TensorSource } from '../../src/native/binding.js';

/** Deterministic numbers in [-1, 1). */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

export const TINY = { layers: 2, hidden: 24, heads: 4, kvHeads: 2, headDim: 6, ffn: 40, vocab: 50, context: 64 };

/** A random llama-family model as raw F32 tensors in a file of its own, untied head. */
export function makeTinyModel(
  architecture: ModelDescription['architecture'] = 'llama',
  shape: typeof TINY = TINY,
): ModelDescription {
  const { layers, hidden, heads, kvHeads, headDim, ffn, vocab, context } = shape;
  const next = noise(7);
  const tensors: TensorSource[] = [];
  const chunks: Float32Array[] = [];
  let offset = 0;
  const add = (name: string, ne: number[], center = 0) => {
    const count = ne.reduce((product, n) => product * n, 1);
    const values = Float32Array.from({ length: count }, () => center + next() * (center ? 0.1 : 0.4));
    tensors.push({ name, file: 0, offset, bytes: values.byteLength, type: 0, ne });
    chunks.push(values);
    offset += values.byteLength;
  };
  add('token_embd.weight', [hidden, vocab]);
  add('output.weight', [hidden, vocab]);
  add('output_norm.weight', [hidden], 1);
  for (let l = 0; l < layers; l++) {
    add(`blk.${l}.attn_norm.weight`, [hidden], 1);
    add(`blk.${l}.attn_q.weight`, [hidden, heads * headDim]);
    add(`blk.${l}.attn_k.weight`, [hidden, kvHeads * headDim]);
    add(`blk.${l}.attn_v.weight`, [hidden, kvHeads * headDim]);
    add(`blk.${l}.attn_output.weight`, [heads * headDim, hidden]);
    add(`blk.${l}.ffn_norm.weight`, [hidden], 1);
    add(`blk.${l}.ffn_gate.weight`, [hidden, ffn]);
    add(`blk.${l}.ffn_up.weight`, [hidden, ffn]);
    add(`blk.${l}.ffn_down.weight`, [ffn, hidden]);
    if (architecture === 'qwen2') add(`blk.${l}.attn_q.bias`, [heads * headDim]);
    if (architecture === 'qwen3') {
      add(`blk.${l}.attn_q_norm.weight`, [headDim], 1);
      add(`blk.${l}.attn_k_norm.weight`, [headDim], 1);
    }
  }
  const file = join(mkdtempSync(join(tmpdir(), 'fedtune-model-')), 'weights.bin');
  writeFileSync(file, Buffer.concat(chunks.map((c) => Buffer.from(c.buffer))));
  return {
    architecture,
    numLayers: layers,
    hiddenSize: hidden,
    numHeads: heads,
    numKvHeads: kvHeads,
    headDim,
    ffnSize: ffn,
    vocabSize: vocab,
    contextLength: context,
    normEps: 1e-5,
    qkNorm: architecture === 'qwen3' ? 'head' : 'none',
    ropes: [{ theta: 10000, dim: headDim, pairing: architecture === 'llama' ? 'interleaved' : 'half' }],
    layers: Array.from({ length: layers }, () => ({ rope: 0 })),
    files: [file],
    tensors,
  };
}

/** Three sequences of different lengths with a loss mask that leaves gaps. */
export function tinyBatch(vocab = TINY.vocab) {
  const next = noise(3);
  const lengths = Int32Array.of(9, 1, 14);
  const tokens = Int32Array.from({ length: 24 }, () => Math.floor(((next() + 1) / 2) * vocab));
  const lossMask = Uint8Array.from({ length: 24 }, (_, i) => (i % 3 === 0 ? 0 : 1));
  return { tokens, lossMask, lengths };
}
