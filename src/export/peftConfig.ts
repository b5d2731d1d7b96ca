import { type AdapterLayout, ALL_TARGETS, HF_NAMES, type LayoutModule } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import type { ModelDescription } from '../native/binding.js';
import { positive, readPatterns } from './modulePatterns.js';
import { mostCommon } from './modules.js';

/** What only the run knows. */
export interface PeftOptions {
  /** Hub id of the base. @default the model's own `hubId`, else null */
  readonly baseModelName?: string;
  /** Git revision of the base on the hub. @default the model's own `revision`, else null; null where `baseModelName` is given */
  readonly revision?: string;
  /** Dropout that the adapter was trained with. @default 0 */
  readonly loraDropout?: number;
}

/** `adapter_config.json`, the fields that PEFT reads for LoRA. */
export interface PeftConfig {
  readonly peft_type: 'LORA';
  readonly task_type: 'CAUSAL_LM';
  readonly base_model_name_or_path: string | null;
  readonly revision: string | null;
  readonly inference_mode: true;
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout: number;
  readonly target_modules: string[];
  readonly bias: 'none';
  readonly fan_in_fan_out: false;
  readonly use_rslora: false;
  readonly use_dora: false;
  readonly init_lora_weights: true;
  readonly modules_to_save: null;
  readonly layers_to_transform: null;
  readonly layers_pattern: null;
  readonly rank_pattern: Record<string, number>;
  readonly alpha_pattern: Record<string, number>;
}

/** `model.layers.N.self_attn.q_proj`. */
export function hfModuleName(module: Pick<LayoutModule, 'layer' | 'target'>): string {
  return `model.layers.${module.layer}.${HF_NAMES[module.target]}`;
}

/** Alpha such that PEFT's alpha / r gives the scale back; whole where rounding alone keeps it from being so. */
function alphaOf({ scale, rank }: LayoutModule): number {
  const alpha = scale * rank;
  const whole = Math.round(alpha);
  return Math.abs(alpha - whole) < 1e-9 * whole ? whole : alpha;
}

/** Short names where every layer has the same targets; else each module by its full name. */
function targetModules(layout: AdapterLayout, numLayers: number): string[] {
  const targets = ALL_TARGETS.filter((target) => layout.modules.some((module) => module.target === target));
  const complete = layout.modules.length === targets.length * numLayers;
  if (complete) return targets.map((target) => HF_NAMES[target].split('.')[1]!);
  return layout.modules.map(hfModuleName);
}

/** Says ranks and scales of a layout in PEFT's terms; every mix of ranks and scales can be said. */
export function makePeftConfig(
  layout: AdapterLayout,
  model: { readonly description: ModelDescription; readonly hubId?: string; readonly revision?: string },
  options: PeftOptions,
): PeftConfig {
  const { modules } = layout;
  if (modules.length === 0)
    throw new AdapterError('EMPTY', 'Expected an adapter with at least one module but it has none.');
  const common = mostCommon(modules, (module) => `${module.rank} ${alphaOf(module)}`);
  const base = { r: common.rank, alpha: alphaOf(common) };
  const pattern = (value: (module: LayoutModule) => number, usual: number) =>
    Object.fromEntries(modules.filter((m) => value(m) !== usual).map((m) => [hfModuleName(m), value(m)]));
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: options.baseModelName ?? model.hubId ?? null,
    revision: options.revision ?? (options.baseModelName === undefined ? model.revision : undefined) ?? null,
    inference_mode: true,
    r: base.r,
    lora_alpha: base.alpha,
    lora_dropout: options.loraDropout ?? 0,
    target_modules: targetModules(layout, model.description.numLayers),
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
    init_lora_weights: true,
    modules_to_save: null,
    layers_to_transform: null,
    layers_pattern: null,
    rank_pattern: pattern(({ rank }) => rank, base.r),
    alpha_pattern: pattern(alphaOf, base.alpha),
  };
}

/** What reading needs of a foreign `adapter_config.json`. */
export interface PeftScales {
  /** The factor s of a module of that rank. */
  scale(module: Pick<LayoutModule, 'layer' | 'target'>, rank: number): number;
}

/** Things PEFT can do to a linear layer that are not y = W x + s B A x. */
const REFUSED: Readonly<Record<string, unknown>> = {
  use_dora: false,
  fan_in_fan_out: false,
  modules_to_save: null,
  bias: 'none',
  lora_bias: false,
};

/** Checks that a PEFT config is a plain LoRA; gives its scales. Throws AdapterError BAD_CONFIG or UNSUPPORTED_ADAPTER. */
export function readPeftConfig(json: unknown, path: string): PeftScales {
  if (typeof json !== 'object' || json === null) throw new AdapterError('BAD_CONFIG', `${path} is no JSON object.`);
  const config = json as Record<string, unknown>;
  if (config.peft_type !== 'LORA') {
    throw new AdapterError(
      'UNSUPPORTED_ADAPTER',
      `Expected peft_type "LORA" in ${path} but it is ${String(config.peft_type)}.`,
    );
  }
  for (const [key, plain] of Object.entries(REFUSED)) {
    const value = config[key] ?? plain;
    if (value !== plain && !(Array.isArray(value) && value.length === 0)) {
      throw new AdapterError(
        'UNSUPPORTED_ADAPTER',
        `Expected ${key} of ${path} to be ${String(plain)} (plain LoRA) but it is ${JSON.stringify(value)}.`,
      );
    }
  }
  const alpha = positive(config.lora_alpha, 'lora_alpha', path);
  const patterns = readPatterns(config.alpha_pattern, path);
  const rankStabilised = config.use_rslora === true;
  return {
    scale(module, rank) {
      const own = patterns(hfModuleName(module)) ?? alpha;
      return rankStabilised ? own / Math.sqrt(rank) : own / rank;
    },
  };
}
