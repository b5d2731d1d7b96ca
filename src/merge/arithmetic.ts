import { type AddCombination, addCombination, type SumCombinations, sumCombinations } from './combination.js';
import { type MergeMean, type MergeRow, mergeMean } from './mean.js';
import { type ProductNorms, productNorms } from './productNorms.js';
import { type ProductSum, productSum } from './productSum.js';
import { type Gram, gram, type SquaredDistances, squaredDistances } from './products.js';
import { type AddRow, addRow } from './runningMean.js';

/**
 * A median or trimmed mean of every entry: of the values of the `count` rows that have it, sorted, without the lowest and
 * highest `cutOf(count)`; where that is negative, and where no row has the entry, the weighted mean stands.
 */
export type SortedMean = (
  rows: readonly MergeRow[],
  fallback: Float32Array,
  cutOf: (count: number) => number,
) => Float32Array;

/** Shared ones of all pairs of masks of `length` entries (null: all ones), flat as [mask][mask]; with itself: its ones. */
export type MaskOverlaps = (masks: readonly (Uint8Array | null)[], length: number) => Float64Array;

/**
 * What a server computes over the adapters of many clients, all of it growing with clients x entries or clients^2 x entries.
 * The engine has it natively; here it is plain, equal to the bit.
 */
export interface Arithmetic {
  readonly mean: MergeMean;
  readonly addRow: AddRow;
  readonly sortedMean: SortedMean;
  readonly gram: Gram;
  readonly squaredDistances: SquaredDistances;
  readonly maskOverlaps: MaskOverlaps;
  readonly addCombination: AddCombination;
  readonly sumCombinations: SumCombinations;
  readonly productSum: ProductSum;
  readonly productNorms: ProductNorms;
}

/** Summed from the lowest value in float64, then one division and one rounding to float32. */
export const sortedMean: SortedMean = (rows, fallback, cutOf) => {
  const cuts = Array.from({ length: rows.length + 1 }, (_, count) => (count === 0 ? -1 : cutOf(count)));
  const result = mergeMean(rows, fallback);
  const buffer = new Float64Array(rows.length);
  for (let p = 0; p < result.length; p++) {
    let count = 0;
    for (const { values, mask } of rows) if (mask === null || mask[p] === 1) buffer[count++] = values[p]!;
    const cut = cuts[count]!;
    if (cut < 0) continue;
    const sorted = buffer.subarray(0, count).sort();
    let sum = 0;
    for (let i = cut; i < count - cut; i++) sum += sorted[i]!;
    result[p] = sum / (count - 2 * cut);
  }
  return result;
};

/** 32 entries a word, lowest bit first. */
function packWords(mask: Uint8Array | null, length: number): Uint32Array {
  const words = new Uint32Array(Math.ceil(length / 32));
  for (let p = 0; p < length; p++) if (mask === null || mask[p] === 1) words[p >> 5]! |= 1 << (p & 31);
  return words;
}

/** Ones of a 32-bit word, by adding up neighbouring bits, pairs, nibbles and bytes. */
function onesOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

export const maskOverlaps: MaskOverlaps = (masks, length) => {
  const packed = masks.map((mask) => packWords(mask, length));
  const overlaps = new Float64Array(masks.length ** 2);
  packed.forEach((a, i) => {
    for (let j = i; j < packed.length; j++) {
      const b = packed[j]!;
      let both = 0;
      for (let w = 0; w < a.length; w++) both += onesOf(a[w]! & b[w]!);
      overlaps[i * packed.length + j] = both;
      overlaps[j * packed.length + i] = both;
    }
  });
  return overlaps;
};

export const plainArithmetic: Arithmetic = {
  ...{ mean: mergeMean, addRow, sortedMean, gram, squaredDistances, maskOverlaps },
  ...{ addCombination, sumCombinations, productSum, productNorms },
};
