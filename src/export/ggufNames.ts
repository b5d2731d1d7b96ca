import type { ModelDescription } from '../native/binding.js';

/** llama.cpp calls a tensor that holds gate and up by the name of up alone. */
export function toGgufName(module: string): string {
  return module.replace(/\bffn_gate_up$/, 'ffn_up');
}

/** The canonical name of a module out of a GGUF file for that base. */
export function fromGgufName(module: string, description: ModelDescription): string {
  return description.fusedGateUp ? module.replace(/\bffn_up$/, 'ffn_gate_up') : module;
}
