import type { z } from 'zod';
import { MESSAGE_VERSION, type Reply, type Request } from '../contracts/messages.js';
import { FedtuneError } from '../errors.js';
import {
  decodeDocument,
  encodeDocument,
  kindOf,
  TENSOR_TYPES,
  type Tensor,
  type TensorKind,
} from '../store/document.js';
import { replySchema, requestSchema } from './schema.js';

/**
 * The form of a message, all of it little endian: `FTMS`, the header's length as u32, the header (JSON, padded with spaces), and
 * the tensors in the order in which the header lists them, each padded with zeros to a multiple of 8 bytes.
 */
const MAGIC = 0x534d5446;
const START = 8;
const ALIGNMENT = 8;
/** A header holds no tensors: losses of a round, counts, an error. */
const MAX_HEADER_BYTES = 64 * 1024 * 1024;

interface Header {
  readonly version: number;
  /** Kind and number of entries of each tensor. */
  readonly tensors: readonly (readonly [TensorKind, number])[];
  /** The message, as `encodeDocument` has it. */
  readonly message: unknown;
}

/**
 * A message ready to be sent: tensors are those of the message itself, so that what many owners get is not copied for each. Between
 * threads it travels like that; between processes in one piece.
 */
export interface EncodedMessage {
  /** Everything before the tensors. */
  readonly head: Uint8Array;
  readonly tensors: readonly Tensor[];
  /** Length of the whole. */
  readonly bytes: number;
}

/** A message as it comes out of a link. */
export type CarriedMessage = EncodedMessage | Uint8Array;

const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

const bad = (what: string, cause?: unknown): FedtuneError =>
  new FedtuneError(
    'BAD_MESSAGE',
    `Expected a message of version ${MESSAGE_VERSION} but ${what}. Do both sides run the same fedtune?`,
    { cause },
  );

/** Encodes a message. Throws FedtuneError BAD_MESSAGE for one that could not be decoded again. */
export function encodeMessage(message: Request | Reply): EncodedMessage {
  const tensors: Tensor[] = [];
  // Each on its own, though two may be the same object: what a message weighs follows from its content alone.
  const place = (tensor: Tensor): number => tensors.push(tensor) - 1;
  let json: string;
  try {
    const document = encodeDocument(message, place as never);
    const list = tensors.map((tensor) => [kindOf(tensor)!, tensor.length] as const);
    json = JSON.stringify({ version: MESSAGE_VERSION, tensors: list, message: document } satisfies Header);
  } catch (cause) {
    throw bad(`its content cannot be encoded: ${(cause as Error).message}`, cause);
  }
  const text = Buffer.from(json);
  const head = new Uint8Array(padded(START + text.length)).fill(0x20);
  const view = new DataView(head.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, head.length - START, true);
  head.set(text, START);
  if (head.length - START > MAX_HEADER_BYTES) throw bad(`its header has ${head.length - START} bytes`);
  return { head, tensors, bytes: tensors.reduce((sum, { byteLength }) => sum + padded(byteLength), head.length) };
}

/** The message in one piece. */
export function joinMessage({ head, tensors, bytes }: EncodedMessage): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  whole.set(head);
  let at = head.length;
  for (const { buffer, byteOffset, byteLength } of tensors) {
    whole.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += padded(byteLength);
  }
  return whole;
}

function isTensorList(list: unknown): list is Header['tensors'] {
  return (
    Array.isArray(list) &&
    list.every(
      (entry) =>
        Array.isArray(entry) &&
        entry.length === 2 &&
        Object.hasOwn(TENSOR_TYPES, entry[0]) &&
        Number.isSafeInteger(entry[1]) &&
        entry[1] >= 0,
    )
  );
}

function readHeader(bytes: Uint8Array): { header: Header; end: number } {
  if (bytes.length < START) throw bad(`it has only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw bad('it does not begin as one');
  const length = view.getUint32(4, true);
  const end = START + length;
  if (length > MAX_HEADER_BYTES || end > bytes.length || end % ALIGNMENT !== 0) {
    throw bad(`its header should have ${length} of its ${bytes.length} bytes`);
  }
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(START, end)));
  } catch (cause) {
    // The reason may quote what is in the message.
    throw bad('its header is no JSON', (cause as Error).name);
  }
  if (typeof header !== 'object' || header === null) throw bad('its header is no object');
  if (header.version !== MESSAGE_VERSION) throw bad(`received version ${String(header.version).slice(0, 20)}`);
  if (!isTensorList(header.tensors)) throw bad('its list of tensors cannot be read');
  return { header, end };
}

/** Views of the tensors; `bytes` begins at a multiple of 8. */
function readTensors(bytes: Uint8Array, { tensors }: Header, start: number): Tensor[] {
  let at = start;
  const views = tensors.map(([kind, length]) => {
    const size = length * TENSOR_TYPES[kind].BYTES_PER_ELEMENT;
    if (at + padded(size) > bytes.length) throw bad(`its tensors go beyond its ${bytes.length} bytes`);
    if (bytes.subarray(at + size, at + padded(size)).some((byte) => byte !== 0))
      throw bad('it has bytes between tensors');
    const view = new TENSOR_TYPES[kind](bytes.buffer as ArrayBuffer, bytes.byteOffset + at, length);
    at += padded(size);
    return view;
  });
  if (at !== bytes.length) throw bad(`it has ${bytes.length - at} bytes behind its tensors`);
  return views;
}

/** The tensors that came beside the header, where they are those that it lists. */
function checkTensors({ tensors, head }: EncodedMessage, header: Header, end: number): readonly Tensor[] {
  if (end !== head.length) throw bad(`it has ${head.length - end} bytes behind its header`);
  const { length } = header.tensors;
  const isSame = header.tensors.every(
    ([kind, count], i) => kindOf(tensors[i]) === kind && tensors[i]!.length === count,
  );
  if (tensors.length === length && isSame) return tensors;
  throw bad('its tensors are not those of its header');
}

/** Header and tensors of a message in one piece or in several; the first is copied where its tensors would not be aligned. */
function openMessage(message: CarriedMessage): { header: Header; tensors: readonly Tensor[] } {
  if (!(message instanceof Uint8Array)) {
    const { header, end } = readHeader(message.head);
    return { header, tensors: checkTensors(message, header, end) };
  }
  const bytes = message.byteOffset % ALIGNMENT === 0 ? message : new Uint8Array(message);
  const { header, end } = readHeader(bytes);
  return { header, tensors: readTensors(bytes, header, end) };
}

function decode<T>(message: CarriedMessage, schema: z.ZodType<T>): T {
  const { header, tensors } = openMessage(message);
  const used = new Set<number>();
  let document: unknown;
  try {
    document = decodeDocument(header.message, (place) => {
      const tensor = tensors[place];
      if (tensor === undefined) throw bad(`it has no tensor ${String(place).slice(0, 20)}`);
      used.add(place);
      return tensor;
    });
  } catch (cause) {
    throw cause instanceof FedtuneError ? cause : bad('its content cannot be read', cause);
  }
  if (used.size !== tensors.length) throw bad(`${tensors.length - used.size} of its tensors belong nowhere`);
  let result: z.ZodSafeParseResult<T>;
  try {
    result = schema.safeParse(document);
  } catch (cause) {
    throw bad('its content cannot be checked', cause);
  }
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw bad(`${issue.path.join('.') || 'it'} is not as expected: ${issue.message}`);
}

/**
 * Reads a request. Its tensors are those of the message, or views of its one piece (of a copy where that is not aligned), and may be
 * others' too: nobody writes to them. Throws FedtuneError BAD_MESSAGE, which names what is wrong.
 */
export function decodeRequest(message: CarriedMessage): Request {
  return decode(message, requestSchema);
}

/** Reads a reply, as `decodeRequest` does. */
export function decodeReply(message: CarriedMessage): Reply {
  return decode(message, replySchema);
}

/** Length of a whole message. */
export const bytesOf = (message: CarriedMessage): number =>
  message instanceof Uint8Array ? message.length : message.bytes;
