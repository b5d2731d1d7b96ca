import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { FedtuneError } from '../errors.js';

/** The class of errors that a reader throws: ModelError for weights of a base, AdapterError for an adapter. */
export type ErrorClass = new (code: string, message: string, options?: { cause?: unknown }) => FedtuneError;

/** Where a tensor of a safetensors file lies, checked to be inside the file and to overlap no other. */
export interface SafeTensor {
  readonly name: string;
  /** As safetensors names it: F32, F16, BF16, I64, ... */
  readonly dtype: string;
  /** Row-major: the last dimension is the contiguous one. */
  readonly shape: readonly number[];
  /** From the start of the file, in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

/** The limit that the safetensors library sets. */
const MAX_HEADER_BYTES = 100_000_000;
const MAX_TENSORS = 100_000;

const DTYPE_BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};

/**
 * Reads and checks the header of a safetensors file (https://github.com/huggingface/safetensors, README "Format"): tensors
 * in the order of the header. Offsets need no alignment: files of older writers have none.
 *
 * Throws `Failure` NOT_FOUND, NOT_SAFETENSORS, TRUNCATED, BAD_HEADER, BAD_SHAPE.
 */
export async function readSafetensorsHeader(path: string, Failure: ErrorClass): Promise<SafeTensor[]> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new Failure('NOT_FOUND', `Expected a safetensors file at ${path} but it cannot be opened.`, { cause });
  });
  try {
    const { size } = await file.stat();
    const start = Buffer.alloc(8);
    const { bytesRead } = await file.read(start, 0, 8, 0);
    if (bytesRead < 8)
      throw new Failure('TRUNCATED', `${path} ends after ${size} bytes, inside the safetensors header.`);
    const length = start.readBigUInt64LE(0);
    if (length > BigInt(MAX_HEADER_BYTES)) {
      throw new Failure(
        'NOT_SAFETENSORS',
        `Expected a safetensors file at ${path} but its header would be ${length} bytes.`,
      );
    }
    if (8 + Number(length) > size) {
      throw new Failure(
        'TRUNCATED',
        `The header of ${path} has ${length} bytes but the file only ${size}. Download it again.`,
      );
    }
    const header = Buffer.alloc(Number(length));
    await file.read(header, 0, header.length, 8);
    return tensorsOf(header.toString('utf8'), { path, Failure, dataOffset: 8 + header.length, size });
  } finally {
    await file.close();
  }
}

interface Source {
  readonly path: string;
  readonly Failure: ErrorClass;
  /** Where the values of tensors start, and where the file ends, in bytes. */
  readonly dataOffset: number;
  readonly size: number;
}

function tensorsOf(header: string, source: Source): SafeTensor[] {
  const { path, Failure } = source;
  let json: unknown;
  try {
    json = JSON.parse(header);
  } catch (cause) {
    throw new Failure('NOT_SAFETENSORS', `Expected a safetensors file at ${path} but its header is no JSON.`, {
      cause,
    });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Failure('BAD_HEADER', `Expected the header of ${path} to be a JSON object.`);
  }
  const entries = Object.entries(json).filter(([name]) => name !== '__metadata__');
  if (entries.length > MAX_TENSORS) {
    throw new Failure('BAD_HEADER', `${path} declares ${entries.length} tensors; at most ${MAX_TENSORS} are read.`);
  }
  const tensors = entries.map(([name, value]) => tensorOf(name, value, source));
  // An empty tensor lies before the one that begins where it does.
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  sorted.slice(1).forEach((tensor, i) => {
    const before = sorted[i]!;
    if (before.offset + before.bytes > tensor.offset) {
      throw new Failure('BAD_HEADER', `Tensors "${before.name}" and "${tensor.name}" of ${path} overlap.`);
    }
  });
  return tensors;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function tensorOf(name: string, value: unknown, { path, Failure, dataOffset, size }: Source): SafeTensor {
  const where = `Tensor "${name}" of ${basename(path)}`;
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (
    typeof dtype !== 'string' ||
    !Array.isArray(shape) ||
    !shape.every(isCount) ||
    !Array.isArray(offsets) ||
    offsets.length !== 2 ||
    !offsets.every(isCount)
  ) {
    throw new Failure('BAD_HEADER', `${where} has no valid dtype, shape and data_offsets.`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw new Failure('BAD_HEADER', `${where} has data_offsets [${begin}, ${end}].`);
  if (dataOffset + end > size) {
    throw new Failure(
      'TRUNCATED',
      `${where} ends at byte ${dataOffset + end} but the file has ${size}. Download it again.`,
    );
  }
  const each = DTYPE_BYTES[dtype];
  const bytes = end - begin;
  if (each !== undefined && shape.reduce((product, n) => product * n, each) !== bytes) {
    throw new Failure('BAD_SHAPE', `${where} has shape [${shape}] of ${dtype} but ${bytes} bytes.`);
  }
  return { name, dtype, shape, offset: dataOffset + begin, bytes };
}
