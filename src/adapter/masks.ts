/** Entries that are 1 in both; null stands for all ones. */
export function intersectMasks(a: Uint8Array | null, b: Uint8Array | null): Uint8Array | null {
  if (a === null || b === null) return a ?? b;
  return a.map((bit, p) => bit & b[p]!);
}

/** The values where the mask is 1, else 0; a copy. */
export function maskValues(values: Float32Array, mask: Uint8Array | null): Float32Array {
  return mask === null ? values.slice() : values.map((value, p) => (mask[p] === 1 ? value : 0));
}

/** Number of ones. */
export function countOnes(mask: Uint8Array): number {
  let ones = 0;
  for (const bit of mask) ones += bit;
  return ones;
}

/** Shared ones over ones of either: 1 for equal masks, 0 for disjoint ones. */
export function jaccard(a: Uint8Array | null, b: Uint8Array | null): number {
  if (a === null && b === null) return 1;
  const length = (a ?? b)!.length;
  let both = 0;
  let either = 0;
  for (let p = 0; p < length; p++) {
    const x = a === null ? 1 : a[p]!;
    const y = b === null ? 1 : b[p]!;
    both += x & y;
    either += x | y;
  }
  return either === 0 ? 1 : both / either;
}
