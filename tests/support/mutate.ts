import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** A stream of whole numbers below `limit`. */
export function stream(seed: number): (limit: number) => number {
  const generator = xoroshiro128plus(seed);
  return (limit) => (generator.next() >>> 0) % limit;
}

/** Values that break readers: zero, all ones, sign bits, just over a limit. */
const NASTY = [0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, 100_001, 1 << 20];

/** Damages a copy of a header in one of several ways. */
export function mutateBytes(original: Buffer, random: (limit: number) => number): Buffer {
  const bytes = Buffer.from(original);
  const { length } = bytes;
  switch (random(6)) {
    case 0: // bits
      for (let i = 0; i <= random(4); i++) bytes[random(length)]! ^= 1 << random(8);
      return bytes;
    case 1: // a 32-bit word
      bytes.writeUInt32LE(NASTY[random(NASTY.length)]!, random(length - 4));
      return bytes;
    case 2: // a 64-bit word
      bytes.writeBigUInt64LE(BigInt(NASTY[random(NASTY.length)]!) << BigInt(random(33)), random(length - 8));
      return bytes;
    case 3: // the end is missing
      return bytes.subarray(0, random(length));
    case 4: {
      // a piece is missing or doubled
      const at = random(length);
      const skip = random(2) === 0 ? at + random(64) : Math.max(0, at - random(64));
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(skip)]);
    }
    default: // noise
      for (let i = 0, at = random(length - 32); i < 32; i++) bytes[at + i] = random(256);
      return bytes;
  }
}

/** Values that break readers of JSON, as text: other types, borders of numbers, names that objects have from birth. */
const NASTY_JSON = [
  ...['null', 'true', '[]', '{}', '""', '0', '-1', '1e308', '1e-320', '0.5', '9007199254740993', '4294967296', '"1"'],
  ...['[[]]', '{"__proto__":{"a":1}}', '"constructor"', '"__proto__"', '"(a+)+$"', '"("', '"\\ud800"', '"\\u0000"'],
  `"${'a'.repeat(5000)}"`,
  `${'['.repeat(2000)}${']'.repeat(2000)}`,
];

interface Slot {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

function slotsOf(value: unknown, slots: Slot[] = []): Slot[] {
  if (typeof value !== 'object' || value === null) return slots;
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    slots.push({ holder, key });
    slotsOf(holder[key], slots);
  }
  return slots;
}

/** Damages a JSON text: its bytes now and then, else one or two of its values or keys. */
export function mutateJson(text: string, random: (limit: number) => number): string {
  if (random(8) === 0) return mutateBytes(Buffer.from(text), random).toString('latin1');
  const value: unknown = JSON.parse(text);
  const slots = slotsOf(value);
  for (let i = 0; i <= random(2); i++) {
    const { holder, key } = slots[random(slots.length)]!;
    const kind = random(6);
    if (kind === 0 && !Array.isArray(holder)) delete holder[key];
    else if (kind === 1 && !Array.isArray(holder)) {
      holder[['constructor', 'toString', `${key}.`, ''][random(4)]!] = holder[key];
      delete holder[key];
    } else holder[key] = JSON.parse(NASTY_JSON[random(NASTY_JSON.length)]!);
  }
  return JSON.stringify(value);
}
