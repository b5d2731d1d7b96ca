import { open } from 'node:fs/promises';
import { type GGUFParseOutput, gguf } from '@huggingface/gguf';
import { ModelError } from '../../errors.js';
import type { TensorSource } from '../../native/binding.js';
import { ggmlType, ggmlTypeNames, tensorBytes } from './types.js';

/** A GGUF header whose every tensor lies inside the file. */
export interface GgufHeader {
  /** The file, or the first part of a split model. */
  readonly path: string;
  /** What `TensorSource.file` counts in. */
  readonly files: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorSource[];
}

/** Magic, version, number of tensors, number of keys. */
const FIXED_BYTES = 24;
/** Smallest tensor record: empty name (8), dimensions (4), type (4), offset (8). */
const MIN_TENSOR_BYTES = 24;
/** Smallest key: empty name (8), type (4), one byte of value. */
const MIN_KEY_BYTES = 13;
/** The largest models published have a few thousand tensors; more would only cost memory. */
const MAX_TENSORS = 100_000;
const MAX_KEYS = 10_000;
/** ggml tensors have at most four dimensions (GGML_MAX_DIMS). */
const MAX_DIMS = 4;
/** Nothing needs more than a memory page; larger values only serve to overflow. */
const MAX_ALIGNMENT = 65_536;

/** What the rest of the file may cost is bounded by its first 24 bytes, read here before anything is parsed. */
async function checkStart(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const head = Buffer.alloc(FIXED_BYTES);
    const { bytesRead } = await file.read(head, 0, FIXED_BYTES, 0);
    if (bytesRead >= 4 && head.toString('latin1', 0, 4) !== 'GGUF') {
      const came = JSON.stringify(head.toString('latin1', 0, 4));
      throw new ModelError(
        'NOT_GGUF',
        `Expected a GGUF file (magic "GGUF") at ${path} but its first bytes are ${came}.`,
      );
    }
    if (bytesRead < FIXED_BYTES) {
      throw new ModelError('TRUNCATED', `${path} ends after ${size} bytes, inside the GGUF header. Download it again.`);
    }
    const version = head.readUInt32LE(4);
    if (version !== 2 && version !== 3) {
      const hint = head.readUInt32BE(4) <= 3 ? ' It looks big-endian, which is not supported.' : '';
      throw new ModelError('UNSUPPORTED_VERSION', `Expected GGUF version 2 or 3 but ${path} has ${version}.${hint}`);
    }
    checkCount(path, 'tensors', head.readBigUInt64LE(8), MAX_TENSORS, MIN_TENSOR_BYTES, size);
    checkCount(path, 'metadata keys', head.readBigUInt64LE(16), MAX_KEYS, MIN_KEY_BYTES, size);
    return size;
  } finally {
    await file.close();
  }
}

function checkCount(path: string, what: string, count: bigint, limit: number, bytesEach: number, size: number): void {
  if (count > BigInt(limit)) {
    throw new ModelError(
      'BAD_HEADER',
      `${path} declares ${count} ${what}; at most ${limit} are read. The file is damaged.`,
    );
  }
  if (Number(count) * bytesEach > size) {
    throw new ModelError('TRUNCATED', `${path} declares ${count} ${what}, more than its ${size} bytes can hold.`);
  }
}

async function parse(path: string, size: number): Promise<GGUFParseOutput> {
  try {
    return await gguf(path, { allowLocalFile: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (cause instanceof RangeError) {
      throw new ModelError(
        'TRUNCATED',
        `The GGUF header of ${path} reaches past the end of the file (${size} bytes): ${reason}. Download it again.`,
        { cause },
      );
    }
    throw new ModelError('BAD_HEADER', `The GGUF header of ${path} cannot be read: ${reason}.`, { cause });
  }
}

function alignmentOf(path: string, metadata: Readonly<Record<string, unknown>>): number {
  const alignment = Number(metadata['general.alignment'] ?? 32);
  if (!(alignment >= 8 && alignment <= MAX_ALIGNMENT && Number.isInteger(Math.log2(alignment)))) {
    throw new ModelError(
      'BAD_HEADER',
      `Expected general.alignment to be a power of two from 8 to ${MAX_ALIGNMENT} but ${path} has ${alignment}.`,
    );
  }
  return alignment;
}

function toSource(
  info: GGUFParseOutput['tensorInfos'][number],
  dataOffset: number,
  alignment: number,
  header: { path: string; size: number },
): TensorSource {
  const where = `Tensor "${info.name}" of ${header.path}`;
  const type = ggmlType(info.dtype);
  if (type === undefined) {
    throw new ModelError('UNSUPPORTED_TYPE', `${where} has type ${info.dtype}; these work: ${ggmlTypeNames()}.`);
  }
  const ne = info.shape.map(Number);
  if (ne.length < 1 || ne.length > MAX_DIMS || ne.some((n) => n < 1)) {
    throw new ModelError(
      'BAD_SHAPE',
      `${where} has shape [${ne}]; expected 1 to ${MAX_DIMS} dimensions of at least 1.`,
    );
  }
  const bytes = tensorBytes(type, ne);
  if (bytes === undefined) {
    const blocks = `rows of ${type.name} hold a multiple of ${type.blockSize} values`;
    throw new ModelError('BAD_SHAPE', `${where} has shape [${ne}], but ${blocks}.`);
  }
  if (info.offset % BigInt(alignment) !== 0n) {
    throw new ModelError('BAD_HEADER', `${where} starts at offset ${info.offset}, no multiple of ${alignment}.`);
  }
  // Compared before the sum is taken, so that no offset is large enough to lose bits in a double.
  const room = header.size - dataOffset;
  if (info.offset > BigInt(header.size) || !(bytes <= room - Number(info.offset))) {
    throw new ModelError(
      'TRUNCATED',
      `${where} needs ${bytes} bytes at offset ${info.offset} of the data, which has ${room}. Download the file again.`,
    );
  }
  return { name: info.name, file: 0, offset: dataOffset + Number(info.offset), bytes, type: info.dtype, ne };
}

/** No tensor twice. */
export function checkNames(path: string, tensors: readonly TensorSource[]): void {
  const names = new Set<string>();
  for (const tensor of tensors) {
    if (names.has(tensor.name)) throw new ModelError('BAD_HEADER', `${path} has tensor "${tensor.name}" twice.`);
    names.add(tensor.name);
  }
}

/** No two tensors in the same place. */
function checkLayout(path: string, tensors: readonly TensorSource[]): void {
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset);
  sorted.slice(1).forEach((tensor, i) => {
    const before = sorted[i]!;
    if (before.offset + before.bytes > tensor.offset) {
      throw new ModelError('BAD_HEADER', `Tensors "${before.name}" and "${tensor.name}" of ${path} overlap.`);
    }
  });
}

/**
 * Reads and checks the header of a local GGUF file; after it every tensor has a type that ggml can dequantise and lies
 * whole, aligned and alone inside the file.
 *
 * Throws ModelError NOT_GGUF, UNSUPPORTED_VERSION, TRUNCATED, BAD_HEADER, BAD_SHAPE, UNSUPPORTED_TYPE.
 */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const size = await checkStart(path);
  const output = await parse(path, size);
  const dataOffset = Number(output.tensorDataOffset);
  if (output.tensorInfoByteRange[1] > size) {
    throw new ModelError('TRUNCATED', `The GGUF header of ${path} reaches past the end of the file (${size} bytes).`);
  }
  const metadata = output.metadata as unknown as Record<string, unknown>;
  const alignment = alignmentOf(path, metadata);
  const tensors = output.tensorInfos.map((info) => toSource(info, dataOffset, alignment, { path, size }));
  checkNames(path, tensors);
  checkLayout(path, tensors);
  return { path, files: [path], metadata, tensors };
}
