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

/** Features that a test asks for; the tensors follow from them. */
export type TinyFeatures = Partial<Omit<ModelDescription, 'files' | 'tensors'>> & {
  /** Linear layers with a bias. */
  readonly biases?: readonly string[];
};

/** Features of the three architectures of the first hour. */
export const TINY_FEATURES = {
  llama: { ropes: [{ theta: 10_000, dim: TINY.headDim, pairing: 'interleaved' }] },
  qwen2: { biases: ['attn_q'] },
  qwen3: { qkNorm: 'head' },
} satisfies Record<string, TinyFeatures>;

/** A random llama-family model as raw F32 tensors in a file of its own, untied head. */
export function makeTinyModel(
  features: keyof typeof TINY_FEATURES | TinyFeatures = 'llama',
  shape: typeof TINY = TINY,
): ModelDescription {
  const { layers, hidden, heads, kvHeads, headDim, ffn, vocab, context } = shape;
  const { biases = [], ...own }: TinyFeatures = typeof features === 'string' ? TINY_FEATURES[features] : features;
  const described: Omit<ModelDescription, 'files' | 'tensors'> = {
    architecture: typeof features === 'string' ? features : 'tiny',
    numLayers: layers,
    hiddenSize: hidden,
    numHeads: heads,
    numKvHeads: kvHeads,
    headDim,
    ffnSize: ffn,
    vocabSize: vocab,
    contextLength: context,
    normEps: 1e-5,
    qkNorm: 'none',
    activation: 'silu',
    ropes: [{ theta: 10_000, dim: headDim, pairing: 'half' }],
    layers: Array.from({ length: layers }, () => ({ rope: 0 })),
    ...own,
  };
  const next = noise(7);
  const tensors: TensorSource[] = [];
  const chunks: Float32Array[] = [];
  let offset = 0;
  const add = (name: string, ne: number[]) => {
    const count = ne.reduce((product, n) => product * n, 1);
    const center = name.includes('norm') ? 1 - (described.normOffset ?? 0) : 0;
    const spread = name.includes('norm') ? 0.1 : 0.4;
    const values = Float32Array.from({ length: count }, () => center + next() * spread);
    tensors.push({ name, file: 0, offset, bytes: values.byteLength, type: 0, ne });
    chunks.push(values);
    offset += values.byteLength;
  };
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  const [qNorm, kNorm] = described.qkNorm === 'row' ? [q, kv] : [headDim, headDim];
  const block: [string, ...number[]][] = [
    ...(described.preNorm === false ? [] : ([['attn_norm', hidden]] as [string, number][])),
    ...((described.fusedQkv
      ? [['attn_qkv', hidden, q + 2 * kv]]
      : [
          ['attn_q', hidden, q],
          ['attn_k', hidden, kv],
          ['attn_v', hidden, kv],
        ]) as [string, number, number][]),
    ['attn_output', q, hidden],
    ...(described.preNorm === false ? [] : ([['ffn_norm', hidden]] as [string, number][])),
    ...((described.fusedGateUp
      ? [['ffn_gate_up', hidden, 2 * ffn]]
      : [
          ['ffn_gate', hidden, ffn],
          ['ffn_up', hidden, ffn],
        ]) as [string, number, number][]),
    ['ffn_down', ffn, hidden],
  ];
  if (described.postNorm) block.push(['post_attention_norm', hidden], ['post_ffw_norm', hidden]);
  if (described.qkNorm !== 'none') block.push(['attn_q_norm', qNorm], ['attn_k_norm', kNorm]);
  add('token_embd.weight', [hidden, vocab]);
  add('output.weight', [hidden, vocab]);
  add('output_norm.weight', [hidden]);
  for (let l = 0; l < layers; l++) {
    for (const [name, ...ne] of block) add(`blk.${l}.${name}.weight`, ne);
    for (const [name, ...ne] of block) if (biases.includes(name)) add(`blk.${l}.${name}.bias`, ne.slice(1));
  }
  const file = join(mkdtempSync(join(tmpdir(), 'fedtune-model-')), 'weights.bin');
  writeFileSync(file, Buffer.concat(chunks.map((c) => Buffer.from(c.buffer))));
  return { ...described, files: [file], tensors };
}

/** Three sequences of different lengths with a loss mask that leaves gaps. */
export function tinyBatch(vocab = TINY.vocab) {
  const next = noise(3);
  const lengths = Int32Array.of(9, 1, 14);
  const tokens = Int32Array.from({ length: 24 }, () => Math.floor(((next() + 1) / 2) * vocab));
  const lossMask = Uint8Array.from({ length: 24 }, (_, i) => (i % 3 === 0 ? 0 : 1));
  return { tokens, lossMask, lengths };
}
