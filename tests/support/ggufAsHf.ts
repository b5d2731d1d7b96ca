import { mkdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { BaseModel } from '../../src/model/index.js';
import { dequantize } from '../../src/native/engine.js';
import { encodeSafetensors } from '../../src/safetensors/index.js';
import { tinyTokenizer } from '../unit/model/buildHf.js';

const NAMES: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  ffn_norm: 'post_attention_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

function nameOf(gguf: string): string {
  const [, layer, module] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(gguf) ?? [];
  if (layer !== undefined) return `model.layers.${layer}.${NAMES[module!]}.weight`;
  return (
    { 'token_embd.weight': 'model.embed_tokens.weight', 'output_norm.weight': 'model.norm.weight' }[gguf] ??
    'lm_head.weight'
  );
}

/** Rows of q and k as Hugging Face has them: of each head the even ones, then the odd ones. */
function halves(values: Float32Array, heads: number, headDim: number, width: number): Float32Array {
  const moved = new Float32Array(values.length);
  for (let row = 0; row < heads * headDim; row++) {
    const [head, i] = [Math.floor(row / headDim), row % headDim];
    const to = head * headDim + (i % 2) * (headDim / 2) + Math.floor(i / 2);
    moved.set(values.subarray(row * width, (row + 1) * width), to * width);
  }
  return moved;
}

/** Writes the weights of a GGUF llama as a Hugging Face folder in F32. The tokenizer is any. */
export async function ggufAsHf({ description: d }: BaseModel, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const file = await open(d.files[0]!, 'r');
  const tensors = [];
  for (const { name, offset, bytes, type, ne } of d.tensors) {
    const raw = new Uint8Array(bytes);
    await file.read(raw, 0, bytes, offset);
    const values = dequantize(
      type,
      raw,
      ne.reduce((x, y) => x * y, 1),
    );
    const heads = { attn_q: d.numHeads, attn_k: d.numKvHeads }[name.split('.')[2] ?? ''];
    const ordered = heads === undefined ? values : halves(values, heads, d.headDim, ne[0]!);
    tensors.push({ name: nameOf(name), shape: [...ne].reverse(), values: ordered });
  }
  await file.close();
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(tensors));
  const config = {
    ...{ model_type: 'llama', hidden_size: d.hiddenSize, intermediate_size: d.ffnSize, num_hidden_layers: d.numLayers },
    ...{ num_attention_heads: d.numHeads, num_key_value_heads: d.numKvHeads, head_dim: d.headDim, hidden_act: 'silu' },
    ...{ vocab_size: d.vocabSize, max_position_embeddings: d.contextLength, rms_norm_eps: d.normEps },
    ...{ rope_theta: 10_000, tie_word_embeddings: !d.tensors.some(({ name }) => name === 'output.weight') },
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tinyTokenizer()));
}
