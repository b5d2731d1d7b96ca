// These run over every adapter that is sent or scored: loops, as a callback an entry takes several times as long, and without
// branches, as a mask makes a processor guess wrong every other time.

/** The bits of the values; whole numbers of 32 bits are what V8 computes with fastest. */
export const wordsOf = (values: Float32Array): Int32Array =>
  new Int32Array(values.buffer, values.byteOffset, values.length);

/** Entries that are 1 in both; null stands for all ones. */
export function intersectMasks(a: Uint8Array | null, b: Uint8Array | null): Uint8Array | null {
  if (a === null || b === null) return a ?? b;
  const both = new Uint8Array(a.length);
  for (let p = 0; p < both.length; p++) both[p] = a[p]! & b[p]!;
  return both;
}

/** The values where the mask is 1, else 0; a copy. */
export function maskValues(values: Float32Array, mask: Uint8Array | null): Float32Array {
  if (mask === null) return values.slice();
  const masked = new Float32Array(values.length);
  const [from, to] = [wordsOf(values), wordsOf(masked)];
  for (let p = 0; p < to.length; p++) to[p] = from[p]! & -mask[p]!;
  return masked;
}

/** The values where the mask is 1, one behind the other. */
export function gather(values: Float32Array, mask: Uint8Array): Float32Array {
  const packed = new Float32Array(countOnes(mask));
  let next = 0;
  for (let p = 0; next < packed.length; p++) {
    packed[next] = values[p]!;
    next += mask[p]!;
  }
  return packed;
}

/** Puts what was gathered back where the mask is 1. */
export function scatter(packed: Float32Array, mask: Uint8Array, values: Float32Array): void {
  const [from, to] = [wordsOf(packed), wordsOf(values)];
  let next = 0;
  for (let p = 0; next < from.length; p++) {
    const bit = mask[p]!;
    to[p] = (from[next]! & -bit) | (to[p]! & (bit - 1));
    next += bit;
  }
}

/** Number of ones. */
export function countOnes(mask: Uint8Array): number {
  let ones = 0;
  for (let p = 0; p < mask.length; p++) ones += mask[p]!;
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
