import { AdapterError } from '../errors.js';

/** A tensor on its way into a safetensors file. */
export interface SafeTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | Uint8Array;
}

/** Headers of adapters are a few hundred kilobytes; the format itself stops at 100 MB. */
const MAX_HEADER = 100_000_000;

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** Serialises F32 and U8 tensors in the order given; equal input gives equal bytes. */
export function encodeSafetensors(tensors: readonly SafeTensor[]): Uint8Array {
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    const dtype = values instanceof Float32Array ? 'F32' : 'U8';
    entries[name] = { dtype, shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const json = JSON.stringify(entries);
  // Padded with spaces so that the data starts at a multiple of 8.
  const header = Buffer.from(json.padEnd(json.length + ((8 - (Buffer.byteLength(json) % 8)) % 8)));
  const bytes = Buffer.alloc(8 + header.length + offset);
  bytes.writeBigUInt64LE(BigInt(header.length), 0);
  header.copy(bytes, 8);
  let at = 8 + header.length;
  for (const { values } of tensors) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return bytes;
}

function toFloats(dtype: string, bytes: Uint8Array, name: string): Float32Array | Uint8Array {
  if (dtype === 'U8' || dtype === 'BOOL') return new Uint8Array(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A copy, because a view of floats must start at a multiple of 4 (Buffer.slice would not copy).
  if (dtype === 'F32')
    return new Float32Array(new Uint8Array(bytes.subarray(0, bytes.length - (bytes.length % 4))).buffer);
  if (dtype === 'BF16') {
    const bits = Uint32Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true) << 16);
    return new Float32Array(bits.buffer);
  }
  if (dtype === 'F16')
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) => halfToFloat(view.getUint16(2 * i, true)));
  throw new AdapterError(
    'UNSUPPORTED_TYPE',
    `Expected F32, F16, BF16 or U8 values for tensor "${name}" but it is ${dtype}.`,
  );
}

/** The value of an IEEE 754 half. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function parseHeader(bytes: Uint8Array, path: string): { entries: Map<string, Entry>; start: number } {
  const bad = (reason: string) =>
    new AdapterError('BAD_SAFETENSORS', `${path} is no whole safetensors file: ${reason}. Export the adapter again.`);
  if (bytes.length < 8) throw bad(`it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (!(length <= MAX_HEADER) || 8 + length > bytes.length) throw bad(`its header says ${length} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + 8, length).toString('utf8'));
  } catch {
    throw bad('its header is not JSON');
  }
  if (typeof json !== 'object' || json === null) throw bad('its header is no JSON object');
  const entries = new Map<string, Entry>();
  const start = 8 + length;
  for (const [name, entry] of Object.entries(json as Record<string, Entry>)) {
    if (name === '__metadata__') continue;
    const [from, to] = Array.isArray(entry?.data_offsets) ? entry.data_offsets : [Number.NaN, Number.NaN];
    const inside =
      Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && start + to <= bytes.length;
    if (!inside || !Array.isArray(entry.shape)) throw bad(`tensor "${name}" lies outside of it`);
    entries.set(name, entry);
  }
  return { entries, start };
}

/**
 * Reads every tensor: floats as Float32Array, U8 and BOOL as Uint8Array. `path` is for messages.
 *
 * Throws AdapterError BAD_SAFETENSORS, UNSUPPORTED_TYPE.
 */
export function decodeSafetensors(bytes: Uint8Array, path: string): Map<string, SafeTensor> {
  const { entries, start } = parseHeader(bytes, path);
  const tensors = new Map<string, SafeTensor>();
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    const values = toFloats(dtype, bytes.subarray(start + data_offsets[0], start + data_offsets[1]), name);
    const count = shape.reduce((product, n) => product * n, 1);
    if (values.length !== count) {
      throw new AdapterError(
        'BAD_SAFETENSORS',
        `Tensor "${name}" of ${path} has ${values.length} values for shape [${shape}]. Export the adapter again.`,
      );
    }
    tensors.set(name, { name, shape, values });
  }
  return tensors;
}
