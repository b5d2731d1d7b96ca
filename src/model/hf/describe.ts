import { basename, join } from 'node:path';
import { ModelError } from '../../errors.js';
import type { ModelDescription, TensorSource } from '../../native/binding.js';
import { readSafetensorsHeader, type SafeTensor } from '../../safetensors/index.js';
import { checkTensors, LIMITS } from '../architecture.js';
import { biasesOf, type Family, familyOfHf, layersOf, type ReadNumber } from '../families.js';
import { GGML_BF16, GGML_F16, GGML_F32 } from '../gguf/types.js';
import type { Json } from './json.js';
import { longropeLimit, ropesFromConfig } from './rope.js';
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
  'self_attn.qkv_proj': 'attn_qkv',
  'mlp.gate_up_proj': 'ffn_gate_up',
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
function canonicalName(name: string, family: Family): string {
  const top = TOP_NAMES[name];
  if (top !== undefined) return top;
  const match = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  const layer = match === null ? undefined : (family.hfNames?.[match[2]!] ?? LAYER_NAMES[match[2]!]);
  return layer === undefined ? name : `blk.${match![1]}.${layer}.${match![3]}`;
}

function toSource(tensor: SafeTensor, file: number, family: Family, path: string): TensorSource {
  const type = GGML_OF_DTYPE[tensor.dtype];
  if (type === undefined) {
    throw new ModelError(
      'UNSUPPORTED_TYPE',
      `Tensor "${tensor.name}" of ${path} is ${tensor.dtype}; these work: ${Object.keys(GGML_OF_DTYPE).join(', ')}.`,
    );
  }
  const { offset, bytes, shape } = tensor;
  return { name: canonicalName(tensor.name, family), file, offset, bytes, type, ne: [...shape].reverse() };
}

async function readTensors(files: readonly string[], family: Family, tied: boolean): Promise<TensorSource[]> {
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
      sources.push(toSource(tensor, i, family, path));
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

/** Hugging Face's names of the activations that the engine computes. */
const ACTIVATIONS: Readonly<Record<ModelDescription['activation'], string>> = {
  silu: 'silu',
  gelu_tanh: 'gelu_pytorch_tanh',
};

function refuse(config: Json, activation: ModelDescription['activation'], path: string): void {
  if (config.quantization_config !== undefined && config.quantization_config !== null) {
    throw new ModelError(
      'UNSUPPORTED_TYPE',
      `${path} is a quantised checkpoint. Take the original one, or a GGUF file.`,
    );
  }
  const named = config.hidden_activation ?? config.hidden_act ?? ACTIVATIONS[activation];
  if (named !== ACTIVATIONS[activation]) {
    throw new ModelError(
      'UNSUPPORTED_ARCHITECTURE',
      `Expected the activation ${ACTIVATIONS[activation]} but ${path} has ${String(named)}.`,
    );
  }
}

/** `sliding_window` where it is in use, and the layers that have it. */
function windowOf(config: Json): { window: number | undefined; slides?: boolean[] } {
  const types = config.layer_types;
  const size = config.use_sliding_window === false ? undefined : config.sliding_window;
  const window = typeof size === 'number' && size > 0 ? size : undefined;
  if (!Array.isArray(types)) return { window };
  return { window, slides: types.map((type) => type === 'sliding_attention' && window !== undefined) };
}

function listedRopes(config: Json): { hasRope?: boolean[] } {
  const list = config.no_rope_layers;
  return Array.isArray(list) ? { hasRope: list.map((entry) => entry !== 0 && entry !== false) } : {};
}

/**
 * Hyper-parameters and tensors of a Hugging Face folder, checked against each other. Throws ModelError NOT_FOUND,
 * UNSUPPORTED_ARCHITECTURE, UNSUPPORTED_TYPE, UNSUPPORTED_ROPE, UNSUPPORTED_TENSOR, BAD_METADATA, BAD_HEADER,
 * BAD_SHAPE, MISSING_TENSOR, TRUNCATED, NOT_SAFETENSORS.
 */
export async function describeHf(folder: string, config: Json): Promise<ModelDescription> {
  const path = join(folder, 'config.json');
  const family = familyOfHf(config.model_type, path);
  const count = counter(config, path);
  const hiddenSize = count('hidden_size', LIMITS.hidden);
  const numHeads = count('num_attention_heads', LIMITS.heads);
  const headDim = count('head_dim', LIMITS.headDim, hiddenSize / numHeads);
  const numLayers = count('num_hidden_layers', LIMITS.layers);
  const contextLength = Math.min(
    count('max_position_embeddings', LIMITS.context),
    longropeLimit(config) ?? Number.POSITIVE_INFINITY,
  );
  const read: ReadNumber = ({ hf }) => {
    const value = hf === undefined ? undefined : config[hf];
    return typeof value === 'number' ? value : undefined;
  };
  const own = family.features?.(read, { numLayers, hiddenSize, numHeads, headDim });
  const activation = own?.activation ?? 'silu';
  refuse(config, activation, path);
  const features = {
    architecture: family.name,
    numLayers,
    hiddenSize,
    numHeads,
    numKvHeads: count('num_key_value_heads', LIMITS.heads, numHeads),
    headDim,
    ffnSize: count('intermediate_size', LIMITS.ffn),
    vocabSize: count('vocab_size', LIMITS.vocab),
    contextLength,
    normEps: Number(config.rms_norm_eps ?? 1e-6),
    ...(family.hfNormOffset === undefined ? {} : { normOffset: family.hfNormOffset }),
    qkNorm: 'none',
    activation,
    ...own,
    ropes: ropesFromConfig(config, headDim, family.localTheta, path),
    layers: layersOf(family, read, { numLayers, contextLength, ...windowOf(config), ...listedRopes(config) }),
  } as const;
  const tied = (config.tie_word_embeddings ?? family.tied) === true;
  const files = await weightFiles(folder);
  const tensors = checkTensors(features, biasesOf(family, config), await readTensors(files, family, tied), folder);
  if (!tied && !tensors.some(({ name }) => name === 'output.weight')) {
    throw new ModelError(
      'MISSING_TENSOR',
      `${folder} has no tensor "lm_head.weight" and does not tie it to the embedding.`,
    );
  }
  return { ...features, files, tensors };
}
