import type { Factors } from '../adapter/factors.js';
import type { AdapterLayout, LayoutModule } from '../adapter/layout.js';

/** How coarse the signs of a mutation are. */
export type MutationGroups = 'module' | 'layer' | 'stage';

/** Stretches of the flat vector that share a sign. */
export interface SignGroups {
  readonly count: number;
  /** Ranges [start, end) with the group and the factor (0: A, 1: B) that they belong to, in order. */
  readonly ranges: readonly {
    readonly start: number;
    readonly end: number;
    readonly group: number;
    readonly factor: 0 | 1;
  }[];
}

const STAGES = 3;

function groupOf(kind: MutationGroups, module: LayoutModule, index: number, layers: number): number {
  if (kind === 'module') return index;
  return kind === 'layer' ? module.layer : Math.min(STAGES - 1, Math.floor((module.layer * STAGES) / layers));
}

/** One sign a module (A and B together), a layer, or a third of the layers; with the ranges of some factors. */
export function signGroups(layout: AdapterLayout, kind: MutationGroups, factors: Factors): SignGroups {
  const layers = 1 + layout.modules.reduce((most, { layer }) => Math.max(most, layer), 0);
  const names = layout.modules.map((module, index) => groupOf(kind, module, index, layers));
  const dense = new Map([...new Set(names)].map((name, at) => [name, at]));
  const ranges = layout.modules.flatMap((module, index) => {
    const group = dense.get(names[index]!)!;
    const end = module.offsetB + module.outDim * module.rank;
    return [
      { start: module.offsetA, end: module.offsetB, group, factor: 0 as const },
      { start: module.offsetB, end, group, factor: 1 as const },
    ];
  });
  const wanted = ranges.filter(({ factor }) => factors === 'both' || factors === (factor === 0 ? 'A' : 'B'));
  return { count: dense.size, ranges: wanted };
}
