import { AdapterError } from '../errors.js';
import { type Factors, factorMask } from './factors.js';
import { type Adapter, type AdapterLayout, type LayoutModule, withRanks } from './layout.js';
import { countOnes, gather, intersectMasks, maskValues, scatter } from './masks.js';

/**
 * An adapter (or another vector in its layout) as it travels between server and owner: only the entries that the receiver
 * cannot know. Modules, shapes and scales are those of the base layout, which both sides derive from the base model.
 */
export interface Part {
  /** Rank of every module, in the layout's order; one number where all are equal. */
  readonly ranks: number | readonly number[];
  /** The factors whose entries travel. */
  readonly factors: Factors;
  /**
   * What the values are of: `none` all entries; `known` those of a mask that the receiver has; `element` and `rank` those of
   * a mask that travels too, as a bit an entry or a bit a rank component.
   */
  readonly mask: 'none' | 'known' | 'element' | 'rank';
  /** The entries that travel, ascending. */
  readonly values: Float32Array;
  /** The mask, eight entries (or components) a byte, lowest bit first; empty unless `mask` is `element` or `rank`. */
  readonly bits: Uint8Array;
}

/** What one message carries, by name (`adapter`, `control`, ...). */
export type Parts = Readonly<Record<string, Part>>;

const EMPTY = new Uint8Array(0);

function packBits(mask: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let p = 0; p < mask.length; p++) bits[p >> 3]! |= mask[p]! << (p & 7);
  return bits;
}

function unpackBits(bits: Uint8Array, length: number): Uint8Array {
  if (bits.length !== Math.ceil(length / 8)) {
    throw new AdapterError(
      'PART_SIZE',
      `Expected a mask of ${length} bits in ${Math.ceil(length / 8)} bytes but received ${bits.length} bytes.`,
    );
  }
  const mask = new Uint8Array(length);
  for (let p = 0; p < length; p++) mask[p] = (bits[p >> 3]! >> (p & 7)) & 1;
  return mask;
}

/** 1 for each rank component that the mask keeps; a mask that keeps parts of one cannot be said so. */
function componentBits(layout: AdapterLayout, mask: Uint8Array): Uint8Array {
  return Uint8Array.from(
    layout.modules.flatMap((module) =>
      Array.from({ length: module.rank }, (_, c) => mask[module.offsetA + c * module.inDim]!),
    ),
  );
}

function componentMask(layout: AdapterLayout, alive: Uint8Array): Uint8Array {
  const mask = new Uint8Array(layout.size);
  let next = 0;
  for (const { offsetA, offsetB, inDim, outDim, rank } of layout.modules) {
    for (let c = 0; c < rank; c++) {
      if (alive[next++] !== 1) continue;
      mask.fill(1, offsetA + c * inDim, offsetA + (c + 1) * inDim);
      for (let row = 0; row < outDim; row++) mask[offsetB + row * rank + c] = 1;
    }
  }
  return mask;
}

const numComponents = (layout: AdapterLayout): number => layout.modules.reduce((sum, { rank }) => sum + rank, 0);

function ranksOf(layout: AdapterLayout): Part['ranks'] {
  const ranks = layout.modules.map(({ rank }) => rank);
  const first = ranks[0] ?? 0;
  return ranks.every((rank) => rank === first) ? first : ranks;
}

/**
 * Packs an adapter for the wire. `factors` (default both) says which factors travel; `mask` (default `known` where the
 * adapter has a mask, else `none`) whether the adapter's mask travels too. Where all entries travel, the part's values are the
 * adapter's own: whoever writes to them copies them first.
 */
export function packPart(
  { layout, values, mask }: Adapter,
  options: { readonly factors?: Factors; readonly mask?: Part['mask'] } = {},
): Part {
  const { factors = 'both' } = options;
  const kind = mask === null ? 'none' : (options.mask ?? 'known');
  const sent = intersectMasks(kind === 'none' ? null : mask, factorMask(layout, factors));
  const packed = sent === null ? values : gather(values, sent);
  const bits = kind === 'element' ? packBits(mask!) : kind === 'rank' ? packBits(componentBits(layout, mask!)) : EMPTY;
  return { ranks: ranksOf(layout), factors, mask: kind, values: packed, bits };
}

/** Bytes of a part on the wire, without the header of its message. */
export function partBytes({ values, bits }: Part): number {
  return values.byteLength + bits.byteLength;
}

/** The layout of a part: the base layout's modules with the part's ranks. Throws AdapterError PART_LAYOUT. */
export function partLayout({ ranks }: Part, base: AdapterLayout): AdapterLayout {
  if (typeof ranks !== 'number' && ranks.length !== base.modules.length) {
    throw new AdapterError(
      'PART_LAYOUT',
      `Expected the ranks of ${base.modules.length} modules but received ${ranks.length}; do both sides adapt the same modules?`,
    );
  }
  let next = 0;
  const rankOf = (_: LayoutModule): number => (typeof ranks === 'number' ? ranks : ranks[next++]!);
  return withRanks(base, rankOf);
}

/**
 * The adapter that a part stands for. `base` has the modules; `mask` is the one that the receiver knows (for `known`);
 * `fallback` fills the factors that did not travel (zeros without it). Outside of a mask values are 0. Where all entries travel, the
 * values are the part's own: whoever writes to them copies them first.
 * Throws AdapterError PART_LAYOUT, PART_MASK or PART_SIZE where the part does not fit.
 */
export function unpackPart(
  part: Part,
  base: AdapterLayout,
  known: { readonly mask?: Uint8Array | null; readonly fallback?: Float32Array } = {},
): Adapter {
  const layout = partLayout(part, base);
  const mask = maskOf(part, layout, known.mask ?? null);
  const { fallback } = known;
  if (fallback !== undefined && fallback.length !== layout.size) {
    throw new AdapterError('PART_SIZE', `Expected a fallback of ${layout.size} entries but it has ${fallback.length}.`);
  }
  const sent = intersectMasks(mask, factorMask(layout, part.factors));
  const count = sent === null ? layout.size : countOnes(sent);
  if (part.values.length !== count) {
    throw new AdapterError(
      'PART_SIZE',
      `Expected ${count} values (layout of ${layout.size} entries, factors ${part.factors}, mask ${part.mask}) but received ${part.values.length}.`,
    );
  }
  if (sent === null) return { layout, values: part.values, mask };
  const values = fallback === undefined ? new Float32Array(layout.size) : maskValues(fallback, mask);
  scatter(part.values, sent, values);
  return { layout, values, mask };
}

function maskOf(part: Part, layout: AdapterLayout, known: Uint8Array | null): Uint8Array | null {
  if (part.mask === 'none') return null;
  if (part.mask === 'element') return unpackBits(part.bits, layout.size);
  if (part.mask === 'rank') return componentMask(layout, unpackBits(part.bits, numComponents(layout)));
  if (known === null || known.length !== layout.size) {
    throw new AdapterError(
      'PART_MASK',
      `Expected to know the mask of this part (${layout.size} entries) but ${known === null ? 'have none' : `have one of ${known.length}`}.`,
    );
  }
  return known;
}
