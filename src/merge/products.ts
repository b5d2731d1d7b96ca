/** Entries [start, end) of a flat vector. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Which entries count in a product. */
export interface GramOptions {
  /** Entries where this is 1. @default null: all */
  readonly mask?: Uint8Array | null;
  /** One table of products for each of these. @default one range of all entries */
  readonly ranges?: readonly Range[];
}

/** Inner products of all pairs of rows of one length, flat as [range][row][row]. */
export type Gram = (rows: readonly Float32Array[], options?: GramOptions) => Float64Array;

/** Squared Euclidean distances of all pairs of rows, flat as [row][row]. */
export type SquaredDistances = (rows: readonly Float32Array[]) => Float64Array;

const LANES = 8;
const BLOCK = 1024;
const GROUP = 65536;

/** One entry's part of a sum, 0 where it is masked. */
type Term = (a: number, b: number) => number;

/** The sum over a block: entry i goes to lane i mod 8, and lanes are added in a tree. */
function blockSum(term: Term, a: Float32Array, b: Float32Array, mask: Uint8Array | null, start: number, end: number) {
  const lanes = new Float64Array(LANES);
  for (let p = start; p < end; p++) {
    if (mask === null || mask[p] === 1) lanes[(p - start) % LANES]! += term(a[p]!, b[p]!);
  }
  const [s0, s1, s2, s3, s4, s5, s6, s7] = lanes as unknown as number[];
  return s0! + s4! + (s2! + s6!) + (s1! + s5! + (s3! + s7!));
}

/**
 * The sum over a range. Its order is part of the definition, so that the native form is equal to the bit: groups of 65,536
 * entries from the start of the range, in them blocks of 1,024; blocks are added in order to their group's sum, groups in
 * order to the result.
 */
function rangeSum(term: Term, a: Float32Array, b: Float32Array, mask: Uint8Array | null, { start, end }: Range) {
  let sum = 0;
  for (let group = start; group < end; group += GROUP) {
    const groupEnd = Math.min(end, group + GROUP);
    let part = 0;
    for (let at = group; at < groupEnd; at += BLOCK) {
      part += blockSum(term, a, b, mask, at, Math.min(groupEnd, at + BLOCK));
    }
    sum += part;
  }
  return sum;
}

function allPairs(
  term: Term,
  rows: readonly Float32Array[],
  mask: Uint8Array | null,
  ranges: readonly Range[],
): Float64Array {
  const count = rows.length;
  const result = new Float64Array(ranges.length * count * count);
  ranges.forEach((range, r) => {
    const at = r * count * count;
    for (let i = 0; i < count; i++) {
      for (let j = i; j < count; j++) {
        const sum = rangeSum(term, rows[i]!, rows[j]!, mask, range);
        result[at + i * count + j] = sum;
        result[at + j * count + i] = sum;
      }
    }
  });
  return result;
}

const allOf = (rows: readonly Float32Array[]): Range[] => [{ start: 0, end: rows[0]?.length ?? 0 }];

export const gram: Gram = (rows, { mask = null, ranges = allOf(rows) } = {}) =>
  allPairs((a, b) => a * b, rows, mask, ranges);

export const squaredDistances: SquaredDistances = (rows) =>
  allPairs((a, b) => (a - b) * (a - b), rows, null, allOf(rows));
