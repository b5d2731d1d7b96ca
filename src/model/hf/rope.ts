import { ModelError } from '../../errors.js';
import type { Json } from './json.js';

interface RopeSettings {
  readonly theta: number;
  /** Divisors of the frequencies; undefined: all 1. */
  readonly factors?: readonly number[];
}

/**
 * RoPE of a config.json: `rope_theta` with `rope_scaling`, or both under `rope_parameters` (transformers 5). Scaling
 * may be `default`, `linear` or `llama3`. Throws ModelError UNSUPPORTED_ROPE, BAD_METADATA.
 */
export function ropeFromConfig(config: Json, ropeDim: number, path: string): RopeSettings {
  const scaling = (config.rope_parameters ?? config.rope_scaling ?? {}) as Json;
  const theta = Number(scaling.rope_theta ?? config.rope_theta ?? 10_000);
  const kind = scaling.rope_type ?? scaling.type ?? 'default';
  if (kind === 'default') return { theta };
  const number = (key: string): number => {
    const value = scaling[key];
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
    throw new ModelError('BAD_METADATA', `Expected "${key}" of the RoPE scaling in ${path} to be a positive number.`);
  };
  if (kind === 'linear') return { theta, factors: Array<number>(ropeDim / 2).fill(number('factor')) };
  if (kind === 'llama3') {
    const original = scaling.original_max_position_embeddings ?? config.original_max_position_embeddings;
    const settings = {
      factor: number('factor'),
      low: number('low_freq_factor'),
      high: number('high_freq_factor'),
      original: Number(original ?? number('original_max_position_embeddings')),
    };
    return { theta, factors: llama3Factors(theta, ropeDim, settings) };
  }
  throw new ModelError(
    'UNSUPPORTED_ROPE',
    `Expected RoPE scaling default, linear or llama3 but ${path} has "${String(kind)}".`,
  );
}

/**
 * Llama 3.1's scaling: long wavelengths are stretched by `factor`, short ones kept, those between blended
 * (transformers, modeling_rope_utils.py, `_compute_llama3_parameters`).
 */
function llama3Factors(
  theta: number,
  ropeDim: number,
  { factor, low, high, original }: { factor: number; low: number; high: number; original: number },
): number[] {
  return Array.from({ length: ropeDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / ropeDim);
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const smooth = (original / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
