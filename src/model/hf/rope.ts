import { ModelError } from '../../errors.js';
import type { RopeTable } from '../../native/binding.js';
import { yarnFactors, yarnMagnitude } from '../yarn.js';
import type { Json } from './json.js';

/**
 * The RoPE tables of a config.json, for all layers or (Gemma 3) first for layers without and then for those with a window:
 * `rope_theta` with `rope_scaling`, or all under `rope_parameters` (transformers 5). Throws ModelError UNSUPPORTED_ROPE,
 * BAD_METADATA.
 */
export function ropesFromConfig(
  config: Json,
  headDim: number,
  localTheta: number | undefined,
  path: string,
): RopeTable[] {
  const settings = (config.rope_parameters ?? config.rope_scaling ?? {}) as Json;
  if (localTheta === undefined) return [ropeOf(settings, config, headDim, path)];
  const local = { rope_theta: config.rope_local_base_freq ?? localTheta };
  return [
    ropeOf((settings.full_attention ?? settings) as Json, config, headDim, path),
    ropeOf((settings.sliding_attention ?? local) as Json, config, headDim, path),
  ];
}

function ropeOf(scaling: Json, config: Json, headDim: number, path: string): RopeTable {
  const theta = Number(scaling.rope_theta ?? config.rope_theta ?? 10_000);
  const partial = Number(scaling.partial_rotary_factor ?? config.partial_rotary_factor ?? 1);
  const dim = Math.trunc(headDim * partial);
  const table = { theta, dim, pairing: 'half' } as const;
  const kind = scaling.rope_type ?? scaling.type ?? 'default';
  const number = (key: string, fallback?: number): number => {
    const value = scaling[key] ?? fallback;
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
    throw new ModelError('BAD_METADATA', `Expected "${key}" of the RoPE scaling in ${path} to be a positive number.`);
  };
  const longest = Number(config.max_position_embeddings);
  const original = () =>
    number('original_max_position_embeddings', Number(config.original_max_position_embeddings ?? longest));
  if (kind === 'default') return table;
  if (kind === 'linear') return { ...table, factors: Array<number>(dim / 2).fill(number('factor')) };
  if (kind === 'llama3') {
    const settings = { factor: number('factor'), low: number('low_freq_factor'), high: number('high_freq_factor') };
    return { ...table, factors: llama3Factors(theta, dim, { ...settings, original: original() }) };
  }
  if (kind === 'yarn') {
    const factor = number('factor');
    const settings = {
      factor,
      original: original(),
      betaFast: number('beta_fast', 32),
      betaSlow: number('beta_slow', 1),
    };
    const { mscale, mscale_all_dim: all } = scaling;
    const byMscale = typeof mscale === 'number' && typeof all === 'number' && mscale > 0 && all > 0;
    const inferred = byMscale ? yarnMagnitude(factor, mscale) / yarnMagnitude(factor, all) : yarnMagnitude(factor);
    return {
      ...table,
      factors: yarnFactors(theta, dim, { ...settings, truncate: scaling.truncate !== false }),
      magnitude: number('attention_factor', inferred),
    };
  }
  if (kind === 'longrope' || kind === 'su') {
    const factors = scaling.short_factor;
    const factor = number('factor', longest / original());
    const stretched = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original()));
    const valid = Array.isArray(factors) && factors.length === dim / 2 && factors.every((x) => typeof x === 'number');
    if (!valid) throw new ModelError('BAD_METADATA', `Expected ${dim / 2} numbers for "short_factor" in ${path}.`);
    return { ...table, factors: factors as number[], magnitude: number('attention_factor', stretched) };
  }
  throw new ModelError(
    'UNSUPPORTED_ROPE',
    `Expected RoPE scaling default, linear, llama3, yarn or longrope but ${path} has "${String(kind)}".`,
  );
}

/** Longest sequence for which longrope takes its short factors, which is how this engine takes it; undefined: no longrope. */
export function longropeLimit(config: Json): number | undefined {
  const scaling = (config.rope_parameters ?? config.rope_scaling ?? {}) as Json;
  const kind = scaling.rope_type ?? scaling.type;
  if (kind !== 'longrope' && kind !== 'su') return undefined;
  const original = scaling.original_max_position_embeddings ?? config.original_max_position_embeddings;
  return typeof original === 'number' ? original : undefined;
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
