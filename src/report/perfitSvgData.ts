import type { Adapter, LayoutModule, Target } from '../adapter/layout.js';
import { ALL_TARGETS } from '../adapter/layout.js';
import { jaccard } from '../adapter/masks.js';
import { maxOf } from '../extent.js';

/** A client of a PerFIT run with the adapter that it leaves with. */
export interface MaskedClient {
  readonly id: string;
  readonly adapter: Adapter;
}

/** Kept share (0 .. 1) of every module of a client: `shares[layer][column]`, undefined where there is no such module. */
export interface KeptShares {
  readonly id: string;
  /** Kept entries over all entries of the adapter. */
  readonly total: number;
  readonly shares: readonly (readonly (number | undefined)[])[];
}

function countKept(mask: Uint8Array | null, start: number, end: number): number {
  if (mask === null) return end - start;
  let kept = 0;
  for (let p = start; p < end; p++) kept += mask[p]!;
  return kept;
}

const endOf = ({ offsetB, outDim, rank }: LayoutModule): number => offsetB + outDim * rank;

/** The targets that the layout adapts, in canonical order: the columns of the picture. */
export function columnsOf({ layout }: Adapter): Target[] {
  const used = new Set(layout.modules.map(({ target }) => target));
  return ALL_TARGETS.filter((target) => used.has(target));
}

/** How much of each module a client keeps. */
export function keptShares({ id, adapter }: MaskedClient): KeptShares {
  const { layout, mask } = adapter;
  const columns = columnsOf(adapter);
  const layers =
    1 +
    maxOf(
      layout.modules.map(({ layer }) => layer),
      0,
    );
  const shares = Array.from({ length: layers }, () => columns.map((): number | undefined => undefined));
  for (const module of layout.modules) {
    const kept = countKept(mask, module.offsetA, endOf(module));
    shares[module.layer]![columns.indexOf(module.target)] = kept / (endOf(module) - module.offsetA);
  }
  return { id, total: countKept(mask, 0, layout.size) / layout.size, shares };
}

/** Jaccard overlap of every two clients' masks, in the order given. */
export function maskOverlaps(clients: readonly MaskedClient[]): number[][] {
  const overlaps = clients.map(() => clients.map(() => 1));
  clients.forEach((a, i) => {
    for (let j = i + 1; j < clients.length; j++) {
      const overlap = jaccard(a.adapter.mask, clients[j]!.adapter.mask);
      overlaps[i]![j] = overlap;
      overlaps[j]![i] = overlap;
    }
  });
  return overlaps;
}
