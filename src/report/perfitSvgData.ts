import type { Adapter, LayoutModule, Target } from '../adapter/layout.js';
import { ALL_TARGETS } from '../adapter/layout.js';

/** A client of a PerFIT run with the adapter that it leaves with. */
export interface MaskedClient {
  readonly id: string;
  /** Perplexity of what it takes home, where that was scored. */
  readonly ppl?: number | undefined;
  readonly adapter: Adapter;
}

/** Of all entries of the adapter, the shares that an owner keeps alone, with some others, and with all of them. */
export interface OwnerMask {
  readonly id: string;
  readonly alone: number;
  readonly some: number;
  readonly all: number;
}

/** The masks inside one module. Owners are in the order given. */
export interface ModuleMasks {
  readonly layer: number;
  readonly target: Target;
  /** Share of its entries that each owner keeps. */
  readonly kept: readonly number[];
  /** The same of each rank component (a row of A with its column of B): `components[owner][component]`. */
  readonly components: readonly (readonly number[])[];
  /** Mean overlap of every two owners; 1 where there is one owner. */
  readonly overlap: number;
}

/** What the masks of owners have in common, and what not. Overlap is that of Jaccard: shared over joint entries. */
export interface MaskComparison {
  readonly owners: readonly OwnerMask[];
  readonly modules: readonly ModuleMasks[];
  /** Of every two owners, over the whole adapter. */
  readonly overlaps: readonly (readonly number[])[];
  /** Mean of the pairs; 1 where there is one owner. */
  readonly overlap: number;
  /** What it would be for masks of these sizes drawn independently of each other. */
  readonly byChance: number;
}

const isKept = (mask: Uint8Array | null, p: number): number => (mask === null ? 1 : mask[p]!);
const mean = (values: readonly number[]): number =>
  values.length === 0 ? 1 : values.reduce((a, b) => a + b, 0) / values.length;
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Entries of a module: A, and right behind it B. */
const rangeOf = ({ offsetA, offsetB, outDim, rank }: LayoutModule): readonly [number, number] => [
  offsetA,
  offsetB + outDim * rank,
];

function componentShares(mask: Uint8Array | null, module: LayoutModule): number[] {
  const { rank, inDim, outDim, offsetA, offsetB } = module;
  return Array.from({ length: rank }, (_, component) => {
    let kept = 0;
    for (let i = 0; i < inDim; i++) kept += isKept(mask, offsetA + component * inDim + i);
    for (let row = 0; row < outDim; row++) kept += isKept(mask, offsetB + row * rank + component);
    return kept / (inDim + outDim);
  });
}

function countBoth(a: Uint8Array | null, b: Uint8Array | null, from: number, to: number): number {
  let both = 0;
  for (let p = from; p < to; p++) both += isKept(a, p) & isKept(b, p);
  return both;
}

const pairsOf = (count: number): (readonly [number, number])[] =>
  Array.from({ length: count }, (_, i) =>
    Array.from({ length: count - i - 1 }, (_, j) => [i, i + 1 + j] as const),
  ).flat();

const overlapOf = (both: number, a: number, b: number): number => (a + b === 0 ? 1 : both / (a + b - both));

/** Shared entries of masks that know nothing of each other, among `size`. */
const bothByChance = (a: number, b: number, size: number): number => (a * b) / size;

function ownerMasks(clients: readonly MaskedClient[], size: number): OwnerMask[] {
  const holders = new Uint16Array(size);
  const masks = clients.map(({ adapter }) => adapter.mask);
  for (const mask of masks) for (let p = 0; p < size; p++) holders[p]! += isKept(mask, p);
  return clients.map(({ id, adapter: { mask } }) => {
    const counts = { alone: 0, some: 0, all: 0 };
    for (let p = 0; p < size; p++) {
      if (isKept(mask, p) === 0) continue;
      counts[holders[p] === 1 ? 'alone' : holders[p] === clients.length ? 'all' : 'some']++;
    }
    return { id, alone: counts.alone / size, some: counts.some / size, all: counts.all / size };
  });
}

/** Compares the masks of clients that share one layout. */
export function compareMasks(clients: readonly MaskedClient[]): MaskComparison {
  const { modules, size } = clients[0]!.adapter.layout;
  const masks = clients.map(({ adapter }) => adapter.mask);
  const pairs = pairsOf(clients.length);
  const both = pairs.map(() => 0);
  const chance = pairs.map(() => 0);
  const totals = clients.map(() => 0);
  const compared = modules.map((module): ModuleMasks => {
    const [from, to] = rangeOf(module);
    const components = masks.map((mask) => componentShares(mask, module));
    const counts = components.map((shares) => Math.round(sum(shares) * (module.inDim + module.outDim)));
    counts.forEach((count, i) => {
      totals[i]! += count;
    });
    const overlaps = pairs.map(([i, j], pair) => {
      const shared = countBoth(masks[i]!, masks[j]!, from, to);
      both[pair]! += shared;
      chance[pair]! += bothByChance(counts[i]!, counts[j]!, to - from);
      return overlapOf(shared, counts[i]!, counts[j]!);
    });
    const kept = counts.map((count) => count / (to - from));
    return { layer: module.layer, target: module.target, kept, components, overlap: mean(overlaps) };
  });
  const overlaps = clients.map(() => clients.map(() => 1));
  pairs.forEach(([i, j], pair) => {
    overlaps[i]![j] = overlapOf(both[pair]!, totals[i]!, totals[j]!);
    overlaps[j]![i] = overlaps[i]![j]!;
  });
  return {
    owners: ownerMasks(clients, size),
    modules: compared,
    overlaps,
    overlap: mean(pairs.map(([i, j]) => overlaps[i]![j]!)),
    byChance: mean(pairs.map(([i, j], pair) => overlapOf(chance[pair]!, totals[i]!, totals[j]!))),
  };
}

/** The targets that the modules adapt, in canonical order. */
export function targetsOf(modules: readonly Pick<ModuleMasks, 'target'>[]): Target[] {
  const used = new Set(modules.map(({ target }) => target));
  return ALL_TARGETS.filter((target) => used.has(target));
}
