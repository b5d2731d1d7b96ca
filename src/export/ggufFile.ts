import { type GGUFTypedMetadata, GGUFValueType, serializeGgufMetadata } from '@huggingface/gguf';
import { ModelError } from '../errors.js';
import { writeVerified } from './writeVerified.js';

/** Where the values of a tensor start: multiples of this in the file. */
const ALIGNMENT = 32;

/** One key of a GGUF header. */
export interface GgufValue {
  readonly type: GGUFValueType;
  readonly value: unknown;
  /** Type of the items of an ARRAY. */
  readonly subType?: GGUFValueType;
}

export type GgufKeys = Readonly<Record<string, GgufValue>>;

export const ggufString = (value: string): GgufValue => ({ type: GGUFValueType.STRING, value });
export const ggufUint32 = (value: number): GgufValue => ({ type: GGUFValueType.UINT32, value });
export const ggufFloat32 = (value: number): GgufValue => ({ type: GGUFValueType.FLOAT32, value });

/** A tensor of the file to write; `data` is called when its turn comes, so that one tensor at a time is in memory. */
export interface GgufTensor {
  readonly name: string;
  /** ggml order: the contiguous dimension first. */
  readonly ne: readonly number[];
  /** ggml type number. */
  readonly type: number;
  readonly bytes: number;
  data(): Promise<Uint8Array> | Uint8Array;
}

const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

function tensorRecord({ name, ne, type }: GgufTensor, offset: number): Buffer {
  const text = Buffer.from(name);
  const record = Buffer.alloc(8 + text.length + 4 + 8 * ne.length + 4 + 8);
  let at = record.writeBigUInt64LE(BigInt(text.length), 0);
  at += text.copy(record, at);
  at = record.writeUInt32LE(ne.length, at);
  for (const n of ne) at = record.writeBigUInt64LE(BigInt(n), at);
  at = record.writeUInt32LE(type, at);
  record.writeBigUInt64LE(BigInt(offset), at);
  return record;
}

function encodeHeader(keys: GgufKeys, tensors: readonly GgufTensor[]): Buffer {
  const metadata = {
    version: { value: 3, type: GGUFValueType.UINT32 },
    tensor_count: { value: BigInt(tensors.length), type: GGUFValueType.UINT64 },
    kv_count: { value: BigInt(Object.keys(keys).length), type: GGUFValueType.UINT64 },
    ...keys,
  } as unknown as GGUFTypedMetadata;
  let offset = 0;
  const records = tensors.map((tensor) => {
    const record = tensorRecord(tensor, offset);
    offset += padded(tensor.bytes);
    return record;
  });
  const header = Buffer.concat([serializeGgufMetadata(metadata, { alignment: 1 }), ...records]);
  return Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length)]);
}

/** The bytes of a file, tensor after tensor. */
async function* bytesOf(keys: GgufKeys, tensors: readonly GgufTensor[]): AsyncGenerator<Uint8Array> {
  yield encodeHeader(keys, tensors);
  for (const tensor of tensors) {
    const data = await tensor.data();
    if (data.length !== tensor.bytes) {
      throw new ModelError(
        'WRITE_FAILED',
        `Expected ${tensor.bytes} bytes for tensor "${tensor.name}" but got ${data.length}.`,
      );
    }
    yield data;
    yield new Uint8Array(padded(data.length) - data.length);
  }
}

/**
 * Writes a GGUF file (version 3, little-endian), tensor after tensor, atomically; the file is read back and its sha256 compared
 * before it gets its name.
 *
 * Throws ModelError WRITE_FAILED where a tensor has another size than it said or the file reads back otherwise.
 */
export async function writeGguf(path: string, keys: GgufKeys, tensors: readonly GgufTensor[]): Promise<void> {
  await writeVerified(path, bytesOf(keys, tensors), ModelError);
}
