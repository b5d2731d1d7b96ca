import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** A stream of whole numbers below `limit`. */
export function stream(seed: number): (limit: number) => number {
  const generator = xoroshiro128plus(seed);
  return (limit) => (generator.next() >>> 0) % limit;
}

/** Values that break readers: zero, all ones, sign bits, just over a limit. */
const NASTY = [0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, 100_001, 1 << 20];

/** Damages a copy of the header in one of several ways. */
export function mutateGguf(original: Buffer, headerBytes: number, random: (limit: number) => number): Buffer {
  const bytes = Buffer.from(original);
  switch (random(6)) {
    case 0: // bits
      for (let i = 0; i <= random(4); i++) bytes[random(headerBytes)]! ^= 1 << random(8);
      return bytes;
    case 1: // a 32-bit word
      bytes.writeUInt32LE(NASTY[random(NASTY.length)]!, random(headerBytes - 4));
      return bytes;
    case 2: // a 64-bit word
      bytes.writeBigUInt64LE(BigInt(NASTY[random(NASTY.length)]!) << BigInt(random(33)), random(headerBytes - 8));
      return bytes;
    case 3: // the end is missing
      return bytes.subarray(0, random(bytes.length));
    case 4: {
      // a piece of the header is missing or doubled
      const at = random(headerBytes);
      const length = random(64);
      const skip = random(2) === 0 ? at + length : Math.max(0, at - length);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(skip)]);
    }
    default: // noise
      for (let i = 0, at = random(headerBytes - 32); i < 32; i++) bytes[at + i] = random(256);
      return bytes;
  }
}
