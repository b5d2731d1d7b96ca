/** A fast seeded generator of 32-bit numbers (xorshift32). */
export function makeRandom(seed) {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x2545f491) | 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
  return {
    next,
    /** A whole number from 0 to limit - 1. */
    below: (limit) => (next() >>> 0) % limit,
    /** A number in [-1, 1). */
    signed: () => next() / 2 ** 31,
  };
}
