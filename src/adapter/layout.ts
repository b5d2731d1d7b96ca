import { AdapterError } from '../errors.js';

/** The seven linear layers that LoRA may adapt, in canonical order. GGUF names; `q_proj` etc. are aliases. */
export const TARGETS = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'] as const;

/** Of every base, in canonical order: some keep q, k and v, or gate and up, in one tensor, which is a target then. */
export const ALL_TARGETS = [
  ...(['attn_q', 'attn_k', 'attn_v', 'attn_qkv', 'attn_output'] as const),
  ...(['ffn_gate', 'ffn_up', 'ffn_gate_up', 'ffn_down'] as const),
] as const;
export type Target = (typeof ALL_TARGETS)[number];

/** Hugging Face name of each target, with the block it sits in. */
export const HF_NAMES: Readonly<Record<Target, string>> = {
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_qkv: 'self_attn.qkv_proj',
  attn_output: 'self_attn.o_proj',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_gate_up: 'mlp.gate_up_proj',
  ffn_down: 'mlp.down_proj',
};

/** Takes `q_proj`, `self_attn.q_proj` or `attn_q`. Throws AdapterError UNKNOWN_TARGET. */
export function parseTarget(name: string): Target {
  for (const target of ALL_TARGETS) {
    if (name === target || name === HF_NAMES[target] || name === HF_NAMES[target].split('.')[1]) return target;
  }
  throw new AdapterError(
    'UNKNOWN_TARGET',
    `Expected a target module out of ${ALL_TARGETS.join(', ')} (or q_proj, k_proj, ...) but received "${name}".`,
  );
}

/** One adapted linear layer inside the flat vector of an adapter. */
export interface LayoutModule {
  /** `blk.N.attn_q`. */
  readonly module: string;
  readonly layer: number;
  readonly target: Target;
  /** Input and output dimension of the frozen linear layer. */
  readonly inDim: number;
  readonly outDim: number;
  readonly rank: number;
  /** s in y = W x + s B A x. */
  readonly scale: number;
  /** Offset of A (rank x inDim, row-major) in the flat vector. */
  readonly offsetA: number;
  /** Offset of B (outDim x rank, row-major). */
  readonly offsetB: number;
}

/** The fixed order of an adapter's entries: layer by layer, target by target, A then B. */
export interface AdapterLayout {
  readonly modules: readonly LayoutModule[];
  /** Entries in all. */
  readonly size: number;
}

/** A module before it has a place in the flat vector. */
export type ModuleShape = Omit<LayoutModule, 'offsetA' | 'offsetB'>;

/** Lays the modules out one after the other, in the order given. */
export function makeLayout(shapes: readonly ModuleShape[]): AdapterLayout {
  let offset = 0;
  const modules = shapes.map((shape) => {
    const offsetA = offset;
    const offsetB = offsetA + shape.rank * shape.inDim;
    offset = offsetB + shape.outDim * shape.rank;
    return { ...shape, offsetA, offsetB };
  });
  return { modules, size: offset };
}

/** The same modules with other ranks; `scale` is kept (PerFIT's fixed s). */
export function withRanks(layout: AdapterLayout, rank: (module: LayoutModule) => number): AdapterLayout {
  return makeLayout(
    layout.modules.map(({ offsetA: _a, offsetB: _b, ...shape }) => ({
      ...shape,
      rank: rank({ ...shape, offsetA: _a, offsetB: _b }),
    })),
  );
}

/** Same modules, shapes, ranks and scales in the same order. */
export function sameLayout(a: AdapterLayout, b: AdapterLayout): boolean {
  return (
    a.size === b.size &&
    a.modules.length === b.modules.length &&
    a.modules.every((m, i) => {
      const o = b.modules[i]!;
      return (
        m.module === o.module &&
        m.inDim === o.inDim &&
        m.outDim === o.outDim &&
        m.rank === o.rank &&
        m.scale === o.scale
      );
    })
  );
}

/** An adapter: values in the order of its layout and, where entries are pruned away, a mask (1 = kept). */
export interface Adapter {
  readonly layout: AdapterLayout;
  readonly values: Float32Array;
  /** One byte an entry; null: all ones. Where 0, the value is 0. */
  readonly mask: Uint8Array | null;
}
