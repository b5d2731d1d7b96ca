import { ModelError } from '../errors.js';
import type { ModelDescription, RopeTable } from '../native/binding.js';
import type { BiasOf } from './architecture.js';

/** A number of the hyper-parameters, by its key in config.json and in GGUF metadata; undefined where it is not said. */
export type ReadNumber = (keys: { readonly hf?: string; readonly gguf?: string }) => number | undefined;

/** Features that a family may set, beyond those that all models have. */
export type OwnFeatures = Partial<
  Pick<
    ModelDescription,
    | 'postNorm'
    | 'preNorm'
    | 'qkNorm'
    | 'activation'
    | 'fusedQkv'
    | 'fusedGateUp'
    | 'embeddingScale'
    | 'residualScale'
    | 'attentionScale'
    | 'attentionSoftcap'
    | 'logitScale'
    | 'logitSoftcap'
  >
>;

export interface Sizes {
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly headDim: number;
}

/**
 * What is fixed for all models of one architecture and not written in their files, and where they write the rest. The name
 * itself means nothing below src/model/{gguf,hf}: a further architecture of the llama family is an entry here and a test.
 */
export interface Family {
  /** `general.architecture` of GGUF files. */
  readonly name: string;
  /** `model_type` of config.json. */
  readonly modelTypes: readonly string[];
  /** How GGUF files order rows of q and k: converters permute them for `interleaved`. Hugging Face's order is `half`. */
  readonly ggufPairing: RopeTable['pairing'];
  /** q, k and v have biases, whatever the files say. @default false */
  readonly qkvBias?: boolean;
  readonly features?: (read: ReadNumber, sizes: Sizes) => OwnFeatures;
  /** Layers whose attention has the window, where the files do not list them. @default all, if there is a window */
  readonly slides?: (layer: number, read: ReadNumber) => boolean;
  /** Layers that know positions, where the files do not list them. @default all */
  readonly hasRope?: (layer: number, read: ReadNumber) => boolean;
  /** Base of the RoPE of layers with a window, where it is another one. */
  readonly localTheta?: number;
  /** Canonical names of tensors of a Hugging Face layer where they mean something else than in llama. */
  readonly hfNames?: Readonly<Record<string, string>>;
  /** Hugging Face stores the weights of norms less 1. @default 0 */
  readonly hfNormOffset?: number;
  /** `tie_word_embeddings` where config.json does not say. @default false */
  readonly tied?: boolean;
}

/** Norms on both sides of attention and feed-forward, in Hugging Face's names. */
const SANDWICH = {
  post_attention_layernorm: 'post_attention_norm',
  pre_feedforward_layernorm: 'ffn_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
};

/** Scores are divided by the root of this; the largest Gemmas take hiddenSize / numHeads for it, which GGUF does not say. */
function gemmaScale(read: ReadNumber, { numLayers, hiddenSize, numHeads, headDim }: Sizes, largest: number): number {
  const scalar = read({ hf: 'query_pre_attn_scalar' }) ?? (numLayers === largest ? hiddenSize / numHeads : headDim);
  return 1 / Math.sqrt(scalar);
}

export const FAMILIES: readonly Family[] = [
  { name: 'llama', modelTypes: ['llama', 'mistral'], ggufPairing: 'interleaved' },
  {
    name: 'qwen2',
    modelTypes: ['qwen2'],
    ggufPairing: 'half',
    qkvBias: true,
    slides: (layer, read) => layer >= (read({ hf: 'max_window_layers' }) ?? 0),
  },
  {
    name: 'qwen3',
    modelTypes: ['qwen3'],
    ggufPairing: 'half',
    features: () => ({ qkNorm: 'head' }),
    slides: (layer, read) => layer >= (read({ hf: 'max_window_layers' }) ?? 0),
  },
  {
    name: 'gemma2',
    modelTypes: ['gemma2'],
    ggufPairing: 'half',
    features: (read, sizes) => ({
      postNorm: true,
      activation: 'gelu_tanh',
      embeddingScale: Math.sqrt(sizes.hiddenSize),
      attentionScale: gemmaScale(read, sizes, 46),
      attentionSoftcap: read({ hf: 'attn_logit_softcapping', gguf: 'attn_logit_softcapping' }) ?? 0,
      logitSoftcap: read({ hf: 'final_logit_softcapping', gguf: 'final_logit_softcapping' }) ?? 0,
    }),
    slides: (layer) => layer % 2 === 0,
    hfNames: SANDWICH,
    hfNormOffset: 1,
    tied: true,
  },
  {
    name: 'gemma3',
    modelTypes: ['gemma3_text'],
    ggufPairing: 'half',
    features: (read, sizes) => ({
      postNorm: true,
      qkNorm: 'head',
      activation: 'gelu_tanh',
      embeddingScale: Math.sqrt(sizes.hiddenSize),
      attentionScale: gemmaScale(read, sizes, 62),
      attentionSoftcap: read({ hf: 'attn_logit_softcapping' }) ?? 0,
      logitSoftcap: read({ hf: 'final_logit_softcapping', gguf: 'final_logit_softcapping' }) ?? 0,
    }),
    slides: (layer, read) =>
      (layer + 1) % (read({ hf: 'sliding_window_pattern', gguf: 'attention.sliding_window_pattern' }) ?? 6) !== 0,
    localTheta: 10_000,
    hfNames: SANDWICH,
    hfNormOffset: 1,
    tied: true,
  },
  {
    name: 'phi3',
    modelTypes: ['phi3'],
    ggufPairing: 'half',
    features: () => ({ fusedQkv: true, fusedGateUp: true }),
  },
  {
    name: 'smollm3',
    modelTypes: ['smollm3'],
    ggufPairing: 'interleaved',
    hasRope: (layer, read) => (layer + 1) % (read({ hf: 'no_rope_layer_interval' }) ?? 4) !== 0,
    tied: true,
  },
  {
    name: 'olmo2',
    modelTypes: ['olmo2'],
    ggufPairing: 'half',
    features: () => ({ preNorm: false, postNorm: true, qkNorm: 'row' }),
    hfNames: SANDWICH,
  },
  {
    name: 'granite',
    modelTypes: ['granite'],
    ggufPairing: 'interleaved',
    features: (read) => ({
      embeddingScale: read({ hf: 'embedding_multiplier', gguf: 'embedding_scale' }) ?? 1,
      residualScale: read({ hf: 'residual_multiplier', gguf: 'residual_scale' }) ?? 1,
      attentionScale: read({ hf: 'attention_multiplier', gguf: 'attention.scale' }),
      logitScale: 1 / (read({ hf: 'logits_scaling', gguf: 'logit_scale' }) ?? 1),
    }),
  },
];

/** The architectures that work. */
export const ARCHITECTURES: readonly string[] = FAMILIES.map(({ name }) => name);

function unsupported(name: string | undefined, works: readonly string[], path: string): ModelError {
  return new ModelError(
    'UNSUPPORTED_ARCHITECTURE',
    `Expected a model of architecture ${works.join(', ')} but ${path} is ${name ? `"${name}"` : 'of none'}.`,
  );
}

/** By `general.architecture`. Throws ModelError UNSUPPORTED_ARCHITECTURE with the list of those that work. */
export function familyOfGguf(architecture: string | undefined, path: string): Family {
  const family = FAMILIES.find(({ name }) => name === architecture);
  if (family === undefined) throw unsupported(architecture, ARCHITECTURES, path);
  return family;
}

/** By `model_type`. Throws ModelError UNSUPPORTED_ARCHITECTURE with the list of those that work. */
export function familyOfHf(modelType: unknown, path: string): Family {
  const family = FAMILIES.find(({ modelTypes }) => modelTypes.some((name) => name === modelType));
  const works = FAMILIES.flatMap(({ modelTypes }) => modelTypes);
  if (family === undefined) throw unsupported(modelType === undefined ? undefined : String(modelType), works, path);
  return family;
}

/**
 * Which linear layers have a bias: config.json says it; in GGUF files those that are there count. A bias that the original
 * model would not read is none, so that its tensor is refused.
 */
export function biasesOf(family: Family, config?: Readonly<Record<string, unknown>>): BiasOf {
  return (layer) => {
    if (family.qkvBias && /^attn_([qkv]|qkv)$/.test(layer)) return 'required';
    if (config === undefined) return 'optional';
    return config[layer.startsWith('attn_') ? 'attention_bias' : 'mlp_bias'] === true ? 'required' : 'none';
  };
}

/** True where GGUF files of that architecture hold rows of q and k in interleaved order (llama.cpp turns them so). */
export function isPermutedInGguf(architecture: string): boolean {
  return FAMILIES.find(({ name }) => name === architecture)?.ggufPairing === 'interleaved';
}

/** What the families' functions make of a model: `window` in tokens, or none; lists of the files go before patterns. */
export function layersOf(
  family: Family,
  read: ReadNumber,
  listed: {
    readonly numLayers: number;
    readonly contextLength: number;
    readonly window: number | undefined;
    readonly slides?: readonly boolean[] | undefined;
    readonly hasRope?: readonly boolean[] | undefined;
  },
): ModelDescription['layers'] {
  // A window as long as the context hides nothing.
  const window = listed.window !== undefined && listed.window < listed.contextLength ? listed.window : null;
  return Array.from({ length: listed.numLayers }, (_, layer) => {
    const slides = listed.slides?.[layer] ?? (listed.window !== undefined && (family.slides?.(layer, read) ?? true));
    const hasRope = listed.hasRope?.[layer] ?? family.hasRope?.(layer, read) ?? true;
    const rope = slides && family.localTheta !== undefined ? 1 : 0;
    return { rope: hasRope ? rope : null, ...(slides && window !== null ? { window } : {}) };
  });
}
