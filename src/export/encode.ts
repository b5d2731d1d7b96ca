import { GGML_BF16, GGML_F16, GGML_F32 } from '../model/gguf/types.js';

export const GGML_Q8_0 = 8;
const BLOCK = 32;
const BLOCK_BYTES = 34;

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The IEEE 754 half nearest to a float, ties to even; beyond its range: infinity. */
export function floatToHalf(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal in half precision: a whole number of steps of 2^-24.
    const steps = Math.abs(scratch[0]!) * 2 ** 24;
    const down = Math.floor(steps);
    const rest = steps - down;
    return sign | (down + (rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? 1 : 0));
  }
  const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
  return sign | (rounded >>> 13);
}

function encodeHalf(values: Float32Array): Uint8Array {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = floatToHalf(values[i]!);
  return new Uint8Array(halves.buffer);
}

function encodeBfloat(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) out[i] = (bits[i]! + 0x7fff + ((bits[i]! >>> 16) & 1)) >>> 16;
  return new Uint8Array(out.buffer);
}

/** As ggml's quantize_row_q8_0_ref: d = max|x| / 127 as a half, q = round(x / d). */
function encodeQ8(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array((values.length / BLOCK) * BLOCK_BYTES);
  for (let block = 0; block * BLOCK < values.length; block++) {
    const row = values.subarray(block * BLOCK, (block + 1) * BLOCK);
    let largest = 0;
    for (const value of row) largest = Math.max(largest, Math.abs(value));
    const step = Math.fround(largest / 127);
    const inverse = step > 0 ? Math.fround(1 / step) : 0;
    const half = floatToHalf(step);
    const at = block * BLOCK_BYTES;
    bytes[at] = half & 255;
    bytes[at + 1] = half >>> 8;
    for (let i = 0; i < BLOCK; i++) {
      const scaled = Math.fround(row[i]! * inverse);
      // Halves away from zero, as C's roundf.
      bytes[at + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    }
  }
  return bytes;
}

/** Encodes floats as a ggml type, or undefined for a type that is only read here. */
export function encoderOf(type: number): ((values: Float32Array) => Uint8Array) | undefined {
  switch (type) {
    case GGML_F32:
      return (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    case GGML_F16:
      return encodeHalf;
    case GGML_BF16:
      return encodeBfloat;
    case GGML_Q8_0:
      return encodeQ8;
    default:
      return undefined;
  }
}
