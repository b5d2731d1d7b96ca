import { ModelError } from '../errors.js';
import type { ModelDescription, RopeTable, TensorSource } from '../native/binding.js';

/**
 * Bounds of the hyper-parameters, far above any model that fits this engine; what they keep out is products that
 * overflow and loops that never end. The engine checks the same ones (native/engine/description.cpp); tests/native/limits.test.ts
 * holds the two together.
 */
export const LIMITS = {
  layers: { min: 1, max: 512 },
  hidden: { min: 1, max: 65_536 },
  ffn: { min: 1, max: 1_048_576 },
  heads: { min: 1, max: 1024 },
  headDim: { min: 2, max: 512 },
  vocab: { min: 2, max: 4_194_304 },
  context: { min: 1, max: 16_777_216 },
} as const;

/** A description before its tensors are checked. */
export type Features = Omit<ModelDescription, 'files' | 'tensors'>;

interface Expected {
  readonly name: string;
  readonly ne: readonly number[];
  readonly optional?: boolean;
}

/** Linear layers and norms of one block: [name, ne]. */
function blockTensors(d: Features): [string, number[]][] {
  const { hiddenSize: h, ffnSize: f, headDim } = d;
  const q = d.numHeads * headDim;
  const kv = d.numKvHeads * headDim;
  const both = (names: [string, string], a: number, b = a): [string, number[]][] => [
    [names[0], [a]],
    [names[1], [b]],
  ];
  const [qNorm, kNorm] = d.qkNorm === 'head' ? [headDim, headDim] : [q, kv];
  const qkv: [string, number[]][] = d.fusedQkv
    ? [['attn_qkv', [h, q + 2 * kv]]]
    : [
        ['attn_q', [h, q]],
        ['attn_k', [h, kv]],
        ['attn_v', [h, kv]],
      ];
  const gateUp: [string, number[]][] = d.fusedGateUp
    ? [['ffn_gate_up', [h, 2 * f]]]
    : [
        ['ffn_gate', [h, f]],
        ['ffn_up', [h, f]],
      ];
  return [
    ...(d.preNorm === false ? [] : both(['attn_norm', 'ffn_norm'], h)),
    ...(d.postNorm ? both(['post_attention_norm', 'post_ffw_norm'], h) : []),
    ...(d.qkNorm === 'none' ? [] : both(['attn_q_norm', 'attn_k_norm'], qNorm, kNorm)),
    ...qkv,
    ['attn_output', [q, h]],
    ...gateUp,
    ['ffn_down', [f, h]],
  ];
}

/** Whether a linear layer (`attn_q`, ...) has a bias. */
export type BiasOf = (layer: string) => 'required' | 'optional' | 'none';

function expectedTensors(d: Features, biasOf: BiasOf): Expected[] {
  const { hiddenSize: h } = d;
  const list: Expected[] = [
    { name: 'token_embd.weight', ne: [h, d.vocabSize] },
    { name: 'output_norm.weight', ne: [h] },
    { name: 'output.weight', ne: [h, d.vocabSize], optional: true },
  ];
  for (let layer = 0; layer < d.numLayers; layer++) {
    for (const [name, ne] of blockTensors(d)) {
      list.push({ name: `blk.${layer}.${name}.weight`, ne });
      const bias = ne.length === 1 ? 'none' : biasOf(name);
      if (bias !== 'none') {
        list.push({ name: `blk.${layer}.${name}.bias`, ne: [ne[1]!], optional: bias === 'optional' });
      }
    }
  }
  return list;
}

/** Tensors of llama.cpp that carry no weight of the forward pass, or that are read elsewhere. */
const IGNORED = /^(rope_freqs\.weight|rope_factors_(long|short)\.weight|blk\.\d+\.attn_rot_embd)$/;

/**
 * Keeps the tensors that the architecture needs, in a fixed order, after checking that each is there with the shape
 * that the hyper-parameters ask for. Unknown tensors mean a model that computes something else: refused.
 *
 * Throws ModelError MISSING_TENSOR, BAD_SHAPE, UNSUPPORTED_TENSOR, BAD_METADATA.
 */
export function checkTensors(
  d: Features,
  biasOf: BiasOf,
  tensors: readonly TensorSource[],
  path: string,
): TensorSource[] {
  checkFeatures(d, path);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const kept: TensorSource[] = [];
  for (const { name, ne, optional } of expectedTensors(d, biasOf)) {
    const tensor = byName.get(name);
    byName.delete(name);
    if (tensor === undefined) {
      if (optional) continue;
      throw new ModelError('MISSING_TENSOR', `${path} has no tensor "${name}", which a ${d.architecture} model needs.`);
    }
    if (tensor.ne.length !== ne.length || tensor.ne.some((n, i) => n !== ne[i])) {
      throw new ModelError(
        'BAD_SHAPE',
        `Expected tensor "${name}" of ${path} to have shape [${ne}] from its hyper-parameters but it has [${tensor.ne}].`,
      );
    }
    kept.push(tensor);
  }
  const unknown = [...byName.keys()].filter((name) => !IGNORED.test(name));
  if (unknown.length > 0) {
    const names = unknown.slice(0, 5).join(', ');
    throw new ModelError(
      'UNSUPPORTED_TENSOR',
      `${path} has ${unknown.length} tensor(s) that a ${d.architecture} model does not know: ${names}. ` +
        'It computes something this engine would leave out.',
    );
  }
  return kept;
}

function checkFeatures(d: Features, path: string): void {
  if (d.numHeads % d.numKvHeads !== 0) {
    const came = `${d.numHeads} and ${d.numKvHeads}`;
    throw new ModelError(
      'BAD_METADATA',
      `Expected heads to be a multiple of key-value heads in ${path} but they are ${came}.`,
    );
  }
  if (!(d.normEps > 0 && d.normEps < 1)) {
    throw new ModelError(
      'BAD_METADATA',
      `Expected the norm epsilon of ${path} between 0 and 1 but it is ${d.normEps}.`,
    );
  }
  for (const rope of d.ropes) checkRope(rope, d.headDim, path);
}

function checkRope({ theta, dim, factors }: RopeTable, headDim: number, path: string): void {
  if (dim % 2 !== 0 || dim < 2 || dim > headDim) {
    throw new ModelError(
      'BAD_METADATA',
      `Expected an even RoPE dimension of at most ${headDim} in ${path} but it is ${dim}.`,
    );
  }
  if (!(theta > 1 && theta < 1e12)) {
    throw new ModelError('BAD_METADATA', `Expected the RoPE base of ${path} between 1 and 1e12 but it is ${theta}.`);
  }
  if (factors?.some((factor) => !(factor > 0 && factor < 1e9))) {
    throw new ModelError('BAD_METADATA', `Expected the RoPE factors of ${path} between 0 and 1e9.`);
  }
}
