import { maskedCrc32c } from './crc32c.js';

/** One number of a run at one step. */
export interface Scalar {
  readonly tag: string;
  readonly step: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly value: number;
}

// Wire types of protocol buffers.
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

const key = (field: number, wire: number): Uint8Array => varint(field * 8 + wire);

function fixed(field: number, wire: typeof FIXED32 | typeof FIXED64, value: number): Uint8Array {
  const bytes = Buffer.alloc(wire === FIXED64 ? 8 : 4);
  if (wire === FIXED64) bytes.writeDoubleLE(value);
  else bytes.writeFloatLE(value);
  return Buffer.concat([key(field, wire), bytes]);
}

function message(field: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  return Buffer.concat([key(field, BYTES), varint(content.length), content]);
}

const text = (field: number, value: string): Uint8Array => message(field, Buffer.from(value));

/** `Event { wall_time = 1, step = 2, file_version = 3, summary = 5 }` of tensorflow/core/util/event.proto. */
function event(time: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([fixed(1, FIXED64, time), ...parts]);
}

/** `Summary { Value { tag = 1, simple_value = 2 } value = 1 }` of tensorflow/core/framework/summary.proto. */
function scalarEvent({ tag, step, time, value }: Scalar): Uint8Array {
  const summary = message(5, message(1, text(1, tag), fixed(2, FIXED32, value)));
  return event(time, key(2, VARINT), varint(step), summary);
}

/** A TFRecord: length, its checksum, the bytes, their checksum. */
export function record(bytes: Uint8Array): Uint8Array {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(bytes.length));
  head.writeUInt32LE(maskedCrc32c(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc32c(bytes));
  return Buffer.concat([head, bytes, tail]);
}

/** Bytes handed on at a time. */
const BLOCK = 1 << 20;

/**
 * An event file of TensorBoard, block by block: its version, then the scalars in the order given. Steps are whole and not
 * negative.
 */
export function* eventFile(started: number, scalars: Iterable<Scalar>): Generator<Uint8Array> {
  let block = [record(event(started, text(3, 'brain.Event:2')))];
  let size = 0;
  for (const scalar of scalars) {
    const bytes = record(scalarEvent(scalar));
    block.push(bytes);
    size += bytes.length;
    if (size < BLOCK) continue;
    yield Buffer.concat(block);
    block = [];
    size = 0;
  }
  yield Buffer.concat(block);
}
