import { type Adapter, type AdapterLayout, type LayoutModule, withRanks } from './layout.js';

/** Some of the rank components (a row of A with its column of B) of every module, in a layout of their own. */
export interface ComponentSelection {
  readonly from: AdapterLayout;
  readonly to: AdapterLayout;
  /** Per module, which component of `from` stands at each place of `to`. */
  readonly components: readonly (readonly number[])[];
}

type Entries = Float32Array | Uint8Array;

/** Chooses components module by module. */
export function selectComponents(
  from: AdapterLayout,
  choose: (module: LayoutModule, index: number) => readonly number[],
): ComponentSelection {
  const components = from.modules.map(choose);
  let next = 0;
  const to = withRanks(from, () => components[next++]!.length);
  return { from, to, components };
}

/** The first `rank` components of each module, or all where it has fewer. */
export function firstComponents(from: AdapterLayout, rank: number): ComponentSelection {
  return selectComponents(from, (module) => Array.from({ length: Math.min(rank, module.rank) }, (_, c) => c));
}

function copyEntries(selection: ComponentSelection, source: Entries, target: Entries, back: boolean): void {
  selection.from.modules.forEach((from, index) => {
    const to = selection.to.modules[index]!;
    const [read, write] = back ? [to, from] : [from, to];
    selection.components[index]!.forEach((component, place) => {
      const [readAt, writeAt] = back ? [place, component] : [component, place];
      const row = read.offsetA + readAt * from.inDim;
      target.set(source.subarray(row, row + from.inDim), write.offsetA + writeAt * from.inDim);
      const [step, end] = [read.rank, read.offsetB + from.outDim * read.rank];
      let to = write.offsetB + writeAt;
      for (let at = read.offsetB + readAt; at < end; at += step, to += write.rank) target[to] = source[at]!;
    });
  });
}

/** The entries of the selected components, in the order of `selection.to`. */
export function gatherComponents<T extends Entries>(selection: ComponentSelection, entries: T): T {
  const target = (
    entries instanceof Uint8Array ? new Uint8Array(selection.to.size) : new Float32Array(selection.to.size)
  ) as T;
  copyEntries(selection, entries, target, false);
  return target;
}

/** Writes entries of `selection.to` back to their places in `into`, an array of `selection.from`. */
export function scatterComponents<T extends Entries>(selection: ComponentSelection, entries: T, into: T): T {
  copyEntries(selection, entries, into, true);
  return into;
}

function isAlive(mask: Uint8Array, module: LayoutModule, component: number): boolean {
  const start = module.offsetA + component * module.inDim;
  for (let i = start; i < start + module.inDim; i++) if (mask[i] === 1) return true;
  for (let row = 0; row < module.outDim; row++) {
    if (mask[module.offsetB + row * module.rank + component] === 1) return true;
  }
  return false;
}

/**
 * The components of which a mask keeps at least one entry (one at least per module); null where it keeps some of all.
 * What the mask prunes whole costs neither compute nor bytes in the smaller layout.
 */
export function aliveComponents(layout: AdapterLayout, mask: Uint8Array | null): ComponentSelection | null {
  if (mask === null) return null;
  const selection = selectComponents(layout, (module) => {
    const alive = Array.from({ length: module.rank }, (_, c) => c).filter((c) => isAlive(mask, module, c));
    return alive.length > 0 ? alive : [0];
  });
  return selection.to.size === layout.size ? null : selection;
}

/** An adapter without the components that its mask prunes whole, and without a mask that keeps all the rest. */
export function compactAdapter(adapter: Adapter): Adapter {
  if (adapter.mask === null) return adapter;
  const selection = aliveComponents(adapter.layout, adapter.mask);
  const small = <T extends Entries>(entries: T): T =>
    selection === null ? entries : gatherComponents(selection, entries);
  const mask = small(adapter.mask);
  return {
    layout: selection?.to ?? adapter.layout,
    values: small(adapter.values),
    mask: mask.every((bit) => bit === 1) ? null : mask,
  };
}

/** Values in a layout, without a mask. */
export interface DenseAdapter {
  readonly layout: AdapterLayout;
  readonly values: Float32Array;
}

/** Selects `count(index)` components of each module, from `start(index)` on. */
function componentRange(
  from: AdapterLayout,
  start: (index: number) => number,
  count: (index: number) => number,
): ComponentSelection {
  return selectComponents(from, (_, index) => Array.from({ length: count(index) }, (_c, c) => start(index) + c));
}

/** The components of all parts in one adapter, module by module one part after the other: the sum of their functions. */
export function concatComponents(parts: readonly DenseAdapter[]): DenseAdapter {
  const ranksOf = (part: DenseAdapter, index: number): number => part.layout.modules[index]!.rank;
  let next = 0;
  const layout = withRanks(parts[0]!.layout, () => {
    const index = next++;
    return parts.reduce((sum, part) => sum + ranksOf(part, index), 0);
  });
  const values = new Float32Array(layout.size);
  parts.forEach((part, place) => {
    const before = (index: number): number => parts.slice(0, place).reduce((sum, p) => sum + ranksOf(p, index), 0);
    scatterComponents(
      componentRange(layout, before, (index) => ranksOf(part, index)),
      part.values,
      values,
    );
  });
  return { layout, values };
}

/** The components of `part`'s layout at the front of a concatenation. */
export function leadingComponents(whole: AdapterLayout, part: AdapterLayout): ComponentSelection {
  return componentRange(
    whole,
    () => 0,
    (index) => part.modules[index]!.rank,
  );
}
