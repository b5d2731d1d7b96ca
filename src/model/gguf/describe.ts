import { open } from 'node:fs/promises';
import { ModelError } from '../../errors.js';
import type { ModelDescription } from '../../native/binding.js';
import { checkTensors, LIMITS } from '../architecture.js';
import { familyOfGguf } from '../families.js';
import type { GgufHeader } from './header.js';
import { GgufMetadata } from './metadata.js';
import { GGML_F32 } from './types.js';

/** The divisors that converters write as a tensor (llama 3): F32, one for each pair of RoPE dimensions. */
async function readRopeFreqs(header: GgufHeader, ropeDim: number): Promise<number[] | undefined> {
  const tensor = header.tensors.find(({ name }) => name === 'rope_freqs.weight');
  if (tensor === undefined) return undefined;
  if (tensor.type !== GGML_F32 || tensor.ne.length !== 1 || tensor.ne[0] !== ropeDim / 2) {
    throw new ModelError(
      'BAD_SHAPE',
      `Expected rope_freqs.weight of ${header.path} to be ${ropeDim / 2} F32 values but it has shape [${tensor.ne}].`,
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

async function ropeFactors(meta: GgufMetadata, header: GgufHeader, architecture: string, ropeDim: number) {
  const freqs = await readRopeFreqs(header, ropeDim);
  if (freqs !== undefined) return freqs;
  const kind = meta.string(`${architecture}.rope.scaling.type`) ?? 'none';
  const linear = meta.number(`${architecture}.rope.scaling.factor`) ?? meta.number(`${architecture}.rope.scale_linear`);
  if (kind !== 'none' && kind !== 'linear') {
    throw new ModelError(
      'UNSUPPORTED_ROPE',
      `Expected RoPE scaling none, linear or a rope_freqs tensor but ${header.path} has "${kind}".`,
    );
  }
  if (linear === undefined || linear === 1 || linear === 0) return undefined;
  return Array<number>(ropeDim / 2).fill(linear);
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
  const architecture = family.name;
  const key = (name: string) => `${architecture}.${name}`;
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
  const ropeDim = meta.count(key('rope.dimension_count'), { ...LIMITS.headDim, default: headDim });
  const factors = await ropeFactors(meta, header, architecture, ropeDim);
  const numLayers = meta.count(key('block_count'), LIMITS.layers);
  const features = {
    architecture,
    numLayers,
    hiddenSize,
    numHeads,
    numKvHeads: perLayerCount(meta, key('attention.head_count_kv'), { ...LIMITS.heads, default: numHeads }),
    headDim,
    ffnSize: perLayerCount(meta, key('feed_forward_length'), LIMITS.ffn),
    vocabSize: meta.count(key('vocab_size'), { ...LIMITS.vocab, default: embedding.ne[1] ?? 0 }),
    contextLength: meta.count(key('context_length'), LIMITS.context),
    normEps: meta.number(key('attention.layer_norm_rms_epsilon')) ?? 1e-5,
    qkNorm: family.qkNorm,
    ropes: [
      {
        theta: meta.number(key('rope.freq_base')) ?? 10_000,
        dim: ropeDim,
        pairing: family.ggufPairing,
        ...(factors === undefined ? {} : { factors }),
      },
    ],
    layers: Array.from({ length: numLayers }, () => ({ rope: 0 })),
  } as const;
  return {
    ...features,
    files: header.files,
    tensors: checkTensors(features, family, header.tensors, header.path),
  };
}
