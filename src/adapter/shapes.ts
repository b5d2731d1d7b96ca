import { AdapterError } from '../errors.js';
import type { LoraModuleSpec, ModelDescription } from '../native/binding.js';
import { type AdapterLayout, ALL_TARGETS, type ModuleShape, makeLayout, parseTarget, type Target } from './layout.js';

/** What an adapter of a base model looks like. */
export interface LoraShape {
  /** Linear layers to adapt, under any name that `parseTarget` takes. @default all */
  readonly targets?: readonly string[];
  readonly rank: number;
  readonly alpha: number;
  /** Scale alpha / sqrt(rank) in place of alpha / rank. @default false */
  readonly rslora?: boolean;
}

/** The factor s in y = W x + s B A x. */
export function loraScale(rank: number, alpha: number, rslora = false): number {
  return alpha / (rslora ? Math.sqrt(rank) : rank);
}

/**
 * Layout of an adapter on a base model: layer by layer, targets in canonical order, dimensions taken from the base's
 * tensors. Throws AdapterError BAD_RANK, UNKNOWN_TARGET or MISSING_TARGET.
 */
export function layoutFor(description: ModelDescription, shape: LoraShape): AdapterLayout {
  const { rank, alpha, rslora } = shape;
  if (!Number.isInteger(rank) || rank < 1) {
    throw new AdapterError('BAD_RANK', `Expected a LoRA rank of at least 1 but received ${rank}; set lora_r.`);
  }
  const wanted = wantedTargets(description, shape.targets);
  const tensors = new Map(description.tensors.map((tensor) => [tensor.name, tensor]));
  const scale = loraScale(rank, alpha, rslora);
  const shapes: ModuleShape[] = [];
  for (let layer = 0; layer < description.numLayers; layer++) {
    for (const target of ALL_TARGETS.filter((name) => wanted.has(name))) {
      const module = `blk.${layer}.${target}`;
      const tensor = tensors.get(`${module}.weight`);
      if (tensor === undefined) {
        throw new AdapterError(
          'MISSING_TARGET',
          `Expected the base model to have ${module}.weight but it does not; choose other target_modules.`,
        );
      }
      shapes.push({ module, layer, target, inDim: tensor.ne[0]!, outDim: tensor.ne[1]!, rank, scale });
    }
  }
  return makeLayout(shapes);
}

/** Parts that some bases keep in one tensor, which can only be adapted as a whole. */
const FUSED: readonly {
  readonly whole: Target;
  readonly parts: readonly Target[];
  readonly flag: 'fusedQkv' | 'fusedGateUp';
}[] = [
  { whole: 'attn_qkv', parts: ['attn_q', 'attn_k', 'attn_v'], flag: 'fusedQkv' },
  { whole: 'ffn_gate_up', parts: ['ffn_gate', 'ffn_up'], flag: 'fusedGateUp' },
];

/** The targets that are meant: all parts of a fused tensor mean that tensor. Throws AdapterError MISSING_TARGET. */
function wantedTargets(description: ModelDescription, names: readonly string[] | undefined): ReadonlySet<Target> {
  const wanted = new Set((names ?? ALL_TARGETS).map(parseTarget));
  for (const { whole, parts, flag } of FUSED) {
    const named = parts.filter((part) => wanted.has(part));
    if (!description[flag]) {
      if (names === undefined) wanted.delete(whole);
      continue;
    }
    if (named.length > 0 && named.length < parts.length) {
      throw new AdapterError(
        'MISSING_TARGET',
        `The base model keeps ${parts.join(', ')} in one layer, which is adapted as a whole: name ${whole} in target_modules.`,
      );
    }
    for (const part of parts) wanted.delete(part);
    if (named.length > 0) wanted.add(whole);
  }
  return wanted;
}

/** The modules as the engine's trainer takes them. */
export function trainerModules(layout: AdapterLayout): LoraModuleSpec[] {
  return layout.modules.map(({ module, rank, scale }) => ({ module, rank, scale }));
}
