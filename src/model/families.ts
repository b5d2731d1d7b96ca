import { ModelError } from '../errors.js';
import type { ModelDescription, RopeTable } from '../native/binding.js';

/**
 * What is fixed for all models of one architecture and not written in their files. Everything else that the engine is told
 * comes out of the hyper-parameters; the name itself means nothing below src/model/{gguf,hf}.
 */
export interface Family {
  /** `general.architecture` of GGUF files. */
  readonly name: string;
  /** `model_type` of config.json. */
  readonly modelTypes: readonly string[];
  /** How GGUF files order rows of q and k: converters permute them for `interleaved`. Hugging Face's order is `half`. */
  readonly ggufPairing: RopeTable['pairing'];
  readonly qkNorm: ModelDescription['qkNorm'];
  /** Biases of q, k and v. */
  readonly qkvBias: 'required' | 'optional';
}

export const FAMILIES: readonly Family[] = [
  {
    name: 'llama',
    modelTypes: ['llama', 'mistral'],
    ggufPairing: 'interleaved',
    qkNorm: 'none',
    qkvBias: 'optional',
  },
  { name: 'qwen2', modelTypes: ['qwen2'], ggufPairing: 'half', qkNorm: 'none', qkvBias: 'required' },
  { name: 'qwen3', modelTypes: ['qwen3'], ggufPairing: 'half', qkNorm: 'head', qkvBias: 'optional' },
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

/** True where GGUF files of that architecture hold rows of q and k in interleaved order (llama.cpp turns them so). */
export function isPermutedInGguf(architecture: string): boolean {
  return FAMILIES.find(({ name }) => name === architecture)?.ggufPairing === 'interleaved';
}
