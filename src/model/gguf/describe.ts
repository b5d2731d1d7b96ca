import { open } from 'node:fs/promises';
import { ModelError } from '../../errors.js';
import type { ModelDescription, RopeTable, TensorSource } from '../../native/binding.js';
import { checkTensors, LIMITS } from '../architecture.js';
import { biasesOf, type Family, familyOfGguf, layersOf, type ReadNumber } from '../families.js';
import { yarnFactors, yarnMagnitude } from '../yarn.js';
import type { GgufHeader } from './header.js';
import { GgufMetadata } from './metadata.js';
import { GGML_F32 } from './types.js';

const SHORT_FACTORS = 'rope_factors_short.weight';

/** The divisors that converters write as a tensor (llama 3, longrope): F32, one for each pair of RoPE dimensions. */
async function readDivisors(header: GgufHeader, name: string, ropeDim: number): Promise<number[] | undefined> {
  const tensor = header.tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) return undefined;
  if (tensor.type !== GGML_F32 || tensor.ne.length !== 1 || tensor.ne[0] !== ropeDim / 2) {
    throw new ModelError(
      'BAD_SHAPE',
      `Expected ${name} of ${header.path} to be ${ropeDim / 2} F32 values but it has shape [${tensor.ne}].`,
    );
  }
  const file = await open(header.files[tensor.file]!, 'r');
  try {
    const bytes = Buffer.alloc(tensor.bytes);
    await file.read(bytes, 0, tensor.bytes, tensor.offset);
    return Array.from({ length: ropeDim / 2 }, (_, i) => bytes.readFloatLE(4 * i));
  } finally {
    await file.close();
  }
}

async function ropeTable(meta: GgufMetadata, header: GgufHeader, family: Family, dim: number): Promise<RopeTable> {
  const key = (name: string) => `${family.name}.rope.${name}`;
  const theta = meta.number(key('freq_base')) ?? 10_000;
  const table = { theta, dim, pairing: family.ggufPairing } as const;
  const freqs = await readDivisors(header, 'rope_freqs.weight', dim);
  if (freqs !== undefined) return { ...table, factors: freqs };
  // longrope: up to the original context these count, and the context ends there
  const short = await readDivisors(header, SHORT_FACTORS, dim);
  if (short !== undefined) return { ...table, factors: short, magnitude: meta.number(key('scaling.attn_factor')) ?? 1 };
  const kind = meta.string(key('scaling.type')) ?? 'none';
  const factor = meta.number(key('scaling.factor')) ?? meta.number(key('scale_linear'));
  if (kind === 'yarn' && factor !== undefined) {
    const original =
      meta.number(key('scaling.original_context_length')) ?? meta.number(`${family.name}.context_length`)!;
    const betas = {
      betaFast: meta.number(key('scaling.yarn_beta_fast')),
      betaSlow: meta.number(key('scaling.yarn_beta_slow')),
    };
    const magnitude = yarnMagnitude(factor) * (meta.number(key('scaling.attn_factor')) ?? 1);
    return { ...table, factors: yarnFactors(theta, dim, { factor, original, ...betas }), magnitude };
  }
  if (kind !== 'none' && kind !== 'linear') {
    throw new ModelError(
      'UNSUPPORTED_ROPE',
      `Expected RoPE scaling none, linear, yarn or a rope_freqs tensor but ${header.path} has "${kind}".`,
    );
  }
  if (factor === undefined || factor === 1 || factor === 0) return table;
  return { ...table, factors: Array<number>(dim / 2).fill(factor) };
}

/** A number, or a list with one number a layer which must all be equal. */
function perLayerCount(meta: GgufMetadata, key: string, range: { min: number; max: number; default?: number }): number {
  let list: number[] | undefined;
  try {
    list = meta.numbers(key);
  } catch {
    return meta.count(key, range);
  }
  const first = list?.[0];
  if (first === undefined || !list!.every((n) => n === first) || !(first >= range.min && first <= range.max)) {
    throw new ModelError('BAD_METADATA', `Expected ${key} of ${meta.path} to be one number for all layers.`);
  }
  return first;
}

/** `attention.sliding_window_pattern` is a number for some architectures, and a list with one entry a layer for others. */
function numberOrNone(meta: GgufMetadata, key: string): number | undefined {
  return meta.isList(key) ? undefined : meta.number(key);
}

function listedWindows(meta: GgufMetadata, key: (name: string) => string): boolean[] | undefined {
  const name = key('attention.sliding_window_pattern');
  return meta.isList(name) ? meta.numbers(name)?.map((entry) => entry !== 0) : undefined;
}

/** llama.cpp calls a tensor that holds gate and up by the name of up alone. */
function renamed(tensors: readonly TensorSource[], fusedGateUp = false): readonly TensorSource[] {
  if (!fusedGateUp) return tensors;
  return tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace(/\bffn_up\.weight$/, 'ffn_gate_up.weight') }));
}

/**
 * Hyper-parameters and tensors of a GGUF file, checked against each other.
 *
 * Throws ModelError UNSUPPORTED_ARCHITECTURE, MISSING_METADATA, BAD_METADATA, MISSING_TENSOR, BAD_SHAPE,
 * UNSUPPORTED_TENSOR, UNSUPPORTED_ROPE.
 */
export async function describeGguf(header: GgufHeader): Promise<ModelDescription> {
  const meta = new GgufMetadata(header);
  const kind = meta.string('general.type') ?? 'model';
  if (kind !== 'model') {
    throw new ModelError('NOT_A_MODEL', `Expected a base model but ${header.path} is a GGUF file of type "${kind}".`);
  }
  const family = familyOfGguf(meta.string('general.architecture'), header.path);
  const key = (name: string) => `${family.name}.${name}`;
  const embedding = header.tensors.find(({ name }) => name === 'token_embd.weight');
  if (embedding === undefined) {
    throw new ModelError('MISSING_TENSOR', `${header.path} has no tensor "token_embd.weight".`);
  }
  const hiddenSize = meta.count(key('embedding_length'), LIMITS.hidden);
  const numHeads = perLayerCount(meta, key('attention.head_count'), LIMITS.heads);
  const perHead = hiddenSize / numHeads;
  const headDim = meta.count(key('attention.key_length'), { ...LIMITS.headDim, default: perHead });
  const valueDim = meta.count(key('attention.value_length'), { ...LIMITS.headDim, default: headDim });
  if (valueDim !== headDim) {
    throw new ModelError(
      'BAD_METADATA',
      `Expected keys and values of ${header.path} of one length: ${headDim}, ${valueDim}.`,
    );
  }
  const dim = meta.count(key('rope.dimension_count'), { ...LIMITS.headDim, default: headDim });
  const rope = await ropeTable(meta, header, family, dim);
  const numLayers = meta.count(key('block_count'), LIMITS.layers);
  const isLongrope = header.tensors.some(({ name }) => name === SHORT_FACTORS);
  const contextLength = Math.min(
    meta.count(key('context_length'), LIMITS.context),
    (isLongrope ? meta.number(key('rope.scaling.original_context_length')) : undefined) ?? Number.POSITIVE_INFINITY,
  );
  const read: ReadNumber = ({ gguf }) => (gguf === undefined ? undefined : numberOrNone(meta, key(gguf)));
  const window = read({ gguf: 'attention.sliding_window' }) || undefined;
  const features = {
    architecture: family.name,
    numLayers,
    hiddenSize,
    numHeads,
    numKvHeads: perLayerCount(meta, key('attention.head_count_kv'), { ...LIMITS.heads, default: numHeads }),
    headDim,
    ffnSize: perLayerCount(meta, key('feed_forward_length'), LIMITS.ffn),
    vocabSize: meta.count(key('vocab_size'), { ...LIMITS.vocab, default: embedding.ne[1] ?? 0 }),
    contextLength,
    normEps: meta.number(key('attention.layer_norm_rms_epsilon')) ?? 1e-5,
    qkNorm: 'none',
    activation: 'silu',
    ...family.features?.(read, { numLayers, hiddenSize, numHeads, headDim }),
    ropes: [
      rope,
      ...(family.localTheta === undefined
        ? []
        : [{ theta: meta.number(key('rope.freq_base_swa')) ?? family.localTheta, dim, pairing: rope.pairing }]),
    ],
    layers: layersOf(family, read, { numLayers, contextLength, window, slides: listedWindows(meta, key) }),
  } as const;
  return {
    ...features,
    files: header.files,
    tensors: checkTensors(features, biasesOf(family), renamed(header.tensors, features.fusedGateUp), header.path),
  };
}
