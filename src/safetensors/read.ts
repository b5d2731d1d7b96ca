import { open } from 'node:fs/promises';
import { type ErrorClass, readSafetensorsHeader, type SafeTensor } from './header.js';
import type { TensorValues } from './write.js';

/** The value of an IEEE 754 half. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** `bytes` starts at the beginning of its buffer, so that any view of it is aligned, wherever the tensor lies in the file. */
function decode(dtype: string, { buffer }: { buffer: ArrayBuffer }): Float32Array | Uint8Array | undefined {
  switch (dtype) {
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer);
    case 'F32':
      return new Float32Array(buffer);
    case 'F16':
      return Float32Array.from(new Uint16Array(buffer), halfToFloat);
    case 'BF16':
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer);
    default:
      return undefined;
  }
}

/**
 * Reads every tensor of a safetensors file: F32, F16 and BF16 as Float32Array, U8 and BOOL as Uint8Array.
 *
 * Throws `Failure` UNSUPPORTED_TYPE, and what `readSafetensorsHeader` throws.
 */
export async function readSafetensors(path: string, Failure: ErrorClass): Promise<Map<string, TensorValues>> {
  const header = await readSafetensorsHeader(path, Failure);
  const file = await open(path, 'r');
  try {
    const tensors = new Map<string, TensorValues>();
    for (const tensor of header) tensors.set(tensor.name, await readTensor(tensor));
    return tensors;
  } finally {
    await file.close();
  }

  async function readTensor({ name, dtype, shape, offset, bytes }: SafeTensor): Promise<TensorValues> {
    const raw = new Uint8Array(bytes);
    const { bytesRead } = await file.read(raw, 0, bytes, offset);
    if (bytesRead < bytes) throw new Failure('TRUNCATED', `${path} ends inside tensor "${name}".`);
    const values = decode(dtype, raw);
    if (values !== undefined) return { name, shape, values };
    const message = `Expected F32, F16, BF16 or U8 values for tensor "${name}" of ${path} but it is ${dtype}.`;
    throw new Failure('UNSUPPORTED_TYPE', message);
  }
}
