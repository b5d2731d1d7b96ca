import { mutateBytes, mutateJson } from '../support/mutate.js';

type Random = (limit: number) => number;

/** Head of an encoded message: `FTMS`, the header's length, the header. */
const START = 8;

/** A message with another header, framed as a right one is. */
function withHeader(message: Buffer, header: string): Buffer {
  const end = START + message.readUInt32LE(4);
  const text = Buffer.from(header);
  const head = Buffer.alloc(Math.ceil((START + text.length) / 8) * 8, 0x20);
  message.copy(head, 0, 0, 4);
  head.writeUInt32LE(head.length - START, 4);
  text.copy(head, START);
  return Buffer.concat([head, message.subarray(end)]);
}

/** Damages an encoded message: its bytes, or values and keys of its header, which is framed anew. */
export function mutateMessage(message: Buffer, random: Random): Buffer {
  if (random(3) === 0) return mutateBytes(message, random);
  const header = message.subarray(START, START + message.readUInt32LE(4)).toString();
  return withHeader(message, mutateJson(header, random));
}

/** Damages what lies in JSON. */
export const mutateText = (text: string, random: Random): Buffer => Buffer.from(mutateJson(text, random), 'latin1');
