/** A tensor in memory, on its way into a safetensors file or out of one. */
export interface TensorValues {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | Uint8Array;
}

/** A safetensors file of F32 and U8 tensors in the order given; equal input gives equal bytes. */
export function encodeSafetensors(tensors: readonly TensorValues[]): Uint8Array {
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
