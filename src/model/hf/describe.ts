import { basename, join } from 'node:path';
import { ModelError } from '../../errors.js';
import type { ModelDescription, TensorSource } from '../../native/binding.js';
import { readSafetensorsHeader, type SafeTensor } from '../../safetensors/index.js';
import { checkTensors, LIMITS } from '../architecture.js';
import { familyOfHf } from '../families.js';
import { GGML_BF16, GGML_F16, GGML_F32 } from '../gguf/types.js';
import type { Json } from './json.js';
import { ropeFromConfig } from './rope.js';
import { weightFiles } from './weightFiles.js';

const LAYER_NAMES: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

const TOP_NAMES: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

/** The ggml type of the dtypes that weights may have. */
export const GGML_OF_DTYPE: Readonly<Record<string, number>> = { F32: GGML_F32, F16: GGML_F16, BF16: GGML_BF16 };

/** Computed from the config, not learned. */
const DERIVED = /rotary_emb\.inv_freq$/;

/** The canonical (GGUF) name of a Hugging Face tensor; names that are not known stay as they are and are refused later. */
export function canonicalName(name: string): string {
  const top = TOP_NAMES[name];
  if (top !== undefined) return top;
  const match = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  const layer = match === null ? undefined : LAYER_NAMES[match[2]!];
  return layer === undefined ? name : `blk.${match![1]}.${layer}.${match![3]}`;
}

function toSource(tensor: SafeTensor, file: number, path: string): TensorSource {
  const type = GGML_OF_DTYPE[tensor.dtype];
  if (type === undefined) {
    throw new ModelError(
      'UNSUPPORTED_TYPE',
      `Tensor "${tensor.name}" of ${path} is ${tensor.dtype}; these work: ${Object.keys(GGML_OF_DTYPE).join(', ')}.`,
    );
  }
  const { offset, bytes, shape } = tensor;
  return { name: canonicalName(tensor.name), file, offset, bytes, type, ne: [...shape].reverse() };
}

async function readTensors(files: readonly string[], tied: boolean): Promise<TensorSource[]> {
  const sources: TensorSource[] = [];
  const seen = new Map<string, string>();
  for (const [i, path] of files.entries()) {
    for (const tensor of await readSafetensorsHeader(path, ModelError)) {
      if (DERIVED.test(tensor.name) || (tied && tensor.name === 'lm_head.weight')) continue;
      const other = seen.get(tensor.name);
      if (other !== undefined) {
        throw new ModelError('BAD_HEADER', `Tensor "${tensor.name}" is both in ${other} and in ${basename(path)}.`);
      }
      seen.set(tensor.name, basename(path));
      sources.push(toSource(tensor, i, path));
    }
  }
  return sources;
}

/** Reads whole numbers out of config.json. Throws ModelError BAD_METADATA. */
function counter(config: Json, path: string) {
  return (key: string, range: { min: number; max: number }, fallback?: number): number => {
    const value = config[key] ?? fallback;
    if (Number.isInteger(value) && (value as number) >= range.min && (value as number) <= range.max)
      return value as number;
    const came = value === undefined ? 'it is missing' : `it is ${JSON.stringify(value).slice(0, 60)}`;
    throw new ModelError('BAD_METADATA', `Expected "${key}" of ${path} from ${range.min} to ${range.max} but ${came}.`);
  };
}

function refuse(config: Json, path: string): void {
  if (config.quantization_config !== undefined && config.quantization_config !== null) {
    throw new ModelError(
      'UNSUPPORTED_TYPE',
      `${path} is a quantised checkpoint. Take the original one, or a GGUF file.`,
    );
  }
  if (config.hidden_act !== undefined && config.hidden_act !== 'silu') {
    throw new ModelError(
      'UNSUPPORTED_ARCHITECTURE',
      `Expected hidden_act silu but ${path} has ${String(config.hidden_act)}.`,
    );
  }
}

/**
 * Hyper-parameters and tensors of a Hugging Face folder, checked against each other. Throws ModelError NOT_FOUND,
 * UNSUPPORTED_ARCHITECTURE, UNSUPPORTED_TYPE, UNSUPPORTED_ROPE, UNSUPPORTED_TENSOR, BAD_METADATA, BAD_HEADER,
 * BAD_SHAPE, MISSING_TENSOR, TRUNCATED, NOT_SAFETENSORS.
 */
export async function describeHf(folder: string, config: Json): Promise<ModelDescription> {
  const path = join(folder, 'config.json');
  const family = familyOfHf(config.model_type, path);
  refuse(config, path);
  const count = counter(config, path);
  const hiddenSize = count('hidden_size', LIMITS.hidden);
  const numHeads = count('num_attention_heads', LIMITS.heads);
  const headDim = count('head_dim', LIMITS.headDim, hiddenSize / numHeads);
  const ropeDim = headDim * Number(config.partial_rotary_factor ?? 1);
  const { theta, factors } = ropeFromConfig(config, ropeDim, path);
  const context = count('max_position_embeddings', LIMITS.context);
  // Within its window a sliding-window model is a plain one.
  const window = config.use_sliding_window === false ? null : config.sliding_window;
  const tied = config.tie_word_embeddings === true;
  const numLayers = count('num_hidden_layers', LIMITS.layers);
  const features = {
    architecture: family.name,
    numLayers,
    hiddenSize,
    numHeads,
    numKvHeads: count('num_key_value_heads', LIMITS.heads, numHeads),
    headDim,
    ffnSize: count('intermediate_size', LIMITS.ffn),
    vocabSize: count('vocab_size', LIMITS.vocab),
    contextLength: typeof window === 'number' && window > 0 ? Math.min(context, window) : context,
    normEps: Number(config.rms_norm_eps ?? 1e-6),
    qkNorm: family.qkNorm,
    ropes: [{ theta, dim: ropeDim, pairing: 'half', ...(factors === undefined ? {} : { factors }) }],
    layers: Array.from({ length: numLayers }, () => ({ rope: 0 })),
  } as const;
  const files = await weightFiles(folder);
  const tensors = checkTensors(features, family, await readTensors(files, tied), folder);
  if (!tied && !tensors.some(({ name }) => name === 'output.weight')) {
    throw new ModelError(
      'MISSING_TENSOR',
      `${folder} has no tensor "lm_head.weight" and does not tie it to the embedding.`,
    );
  }
  return { ...features, files, tensors };
}
