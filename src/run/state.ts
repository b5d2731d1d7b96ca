import { createHash } from 'node:crypto';
import { RunError } from '../errors.js';

/** First bytes of a state file, with the version of its form. */
const MAGIC = Buffer.from('FEDTUNE1');
const DIGEST_BYTES = 32;

type Tensor = Float32Array | Float64Array | Int32Array | Uint8Array;
const KINDS = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;
type Kind = keyof typeof KINDS;

const kindOf = (tensor: Tensor): Kind =>
  (Object.keys(KINDS) as Kind[]).find((kind) => tensor instanceof KINDS[kind]) ?? 'u8';

/** JSON has no word for the others. */
const inJson = (number: number): boolean => Number.isFinite(number) && !Object.is(number, -0);

interface TensorEntry {
  readonly kind: Kind;
  readonly offset: number;
  readonly length: number;
}

/** A value of JSON, Maps left out, with typed arrays anywhere in it, as bytes with a checksum at the end. */
export function encodeState(value: unknown): Buffer {
  const tensors: Tensor[] = [];
  const places = new Map<Tensor, number>();
  const entries: TensorEntry[] = [];
  let offset = 0;
  const put = (tensor: Tensor): number => {
    const known = places.get(tensor);
    if (known !== undefined) return known;
    entries.push({ kind: kindOf(tensor), offset, length: tensor.length });
    offset += Math.ceil(tensor.byteLength / 8) * 8;
    places.set(tensor, tensors.length);
    return tensors.push(tensor) - 1;
  };
  const json = JSON.stringify(value, (_, item) => {
    if (ArrayBuffer.isView(item)) return { $tensor: put(item as Tensor) };
    return typeof item === 'number' && !inJson(item) ? { $number: Object.is(item, -0) ? '-0' : String(item) } : item;
  });
  const head = Buffer.from(JSON.stringify({ tensors: entries, value: json }));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));
  const data = Buffer.alloc(offset);
  tensors.forEach((tensor, i) => {
    data.set(new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength), entries[i]!.offset);
  });
  const body = Buffer.concat([MAGIC, size, head, data]);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

function damaged(path: string, why: string): RunError {
  return new RunError(
    'STATE_DAMAGED',
    `${path} is torn or was altered: ${why}. Delete this one file to go on from the state before it, or start the run anew.`,
  );
}

/** The value of a state file. Throws RunError STATE_DAMAGED, naming the file. */
export function decodeState(bytes: Buffer, path: string): unknown {
  if (bytes.length < MAGIC.length + 8 + DIGEST_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw damaged(path, 'it does not begin as a state file does, or is too short');
  }
  const body = bytes.subarray(0, -DIGEST_BYTES);
  if (!createHash('sha256').update(body).digest().equals(bytes.subarray(-DIGEST_BYTES))) {
    throw damaged(path, 'its checksum does not hold');
  }
  const headSize = Number(bytes.readBigUInt64LE(MAGIC.length));
  const headAt = MAGIC.length + 8;
  const head: { tensors: TensorEntry[]; value: string } = JSON.parse(body.toString('utf8', headAt, headAt + headSize));
  const data = body.subarray(headAt + headSize);
  const tensors = head.tensors.map(({ kind, offset, length }) => {
    const type = KINDS[kind];
    const copy = Uint8Array.from(data.subarray(offset, offset + length * type.BYTES_PER_ELEMENT));
    return new type(copy.buffer);
  });
  return JSON.parse(head.value, (_, item) => {
    if (typeof item?.$tensor === 'number') return tensors[item.$tensor];
    return typeof item?.$number === 'string' ? Number(item.$number) : item;
  });
}
