import { createHash } from 'node:crypto';
import { FedtuneError } from '../errors.js';
import { Slots } from '../links/index.js';
import type { Mailbox } from './mailbox.js';

/** Bytes of a piece; the last may have fewer. */
export const PIECE = 1024 * 1024;
/** Pieces under way at a time. */
const WINDOW = 4;

export const sha256Of = (parts: Iterable<Uint8Array>): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** Cuts bytes that lie in several places into pieces; what lies in one place is not copied. */
export function* cutPieces(parts: Iterable<Uint8Array>, size = PIECE): Generator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const end = Math.min(part.length, at + size - length);
      waiting.push(part.subarray(at, end));
      length += end - at;
      at = end;
      if (length < size) continue;
      yield waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting);
      waiting = [];
      length = 0;
    }
  }
  if (length > 0) yield waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting);
}

/** Does work for each, `WINDOW` at a time; the first fault ends it. */
async function inWindow<T>(items: Iterable<T>, work: (item: T, index: number) => Promise<void>): Promise<void> {
  const slots = new Slots(WINDOW);
  const running = new Set<Promise<void>>();
  let fault: { readonly error: unknown } | undefined;
  let index = 0;
  for (const item of items) {
    if (fault) break;
    const at = index++;
    const one = slots
      .run(() => work(item, at))
      .catch((error: unknown) => {
        fault ??= { error };
      });
    running.add(one);
    void one.finally(() => running.delete(one));
    if (running.size >= WINDOW) await Promise.race(running);
  }
  await Promise.all(running);
  if (fault) throw fault.error;
}

/** Puts bytes into an owner's stream, in pieces under `<subject>.<id>.<n>`. A piece that was kept is not sent again. */
export async function putPieces(
  mailbox: Mailbox,
  subject: string,
  id: string,
  parts: Iterable<Uint8Array>,
): Promise<void> {
  await inWindow(cutPieces(parts), (piece, n) => mailbox.put(`${subject}.${id}.${n}`, piece, {}, PIECE));
}

/** What a manifest says of bytes that lie in pieces. */
export interface Pieces {
  readonly id: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Reads bytes back, once their length is known to be one that may be. Throws FedtuneError TOO_LARGE, MISSING_PIECE, BAD_DIGEST.
 */
export async function getPieces(
  mailbox: Mailbox,
  subject: string,
  { id, bytes, sha256 }: Pieces,
  maxBytes: number,
  who: string,
): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes > maxBytes) {
    throw new FedtuneError('TOO_LARGE', `Expected at most ${maxBytes} bytes of ${who} but it announces ${bytes}.`);
  }
  const whole = new Uint8Array(bytes);
  const count = Math.ceil(bytes / PIECE);
  await inWindow(Array(count).keys(), async (n) => {
    const length = Math.min(PIECE, bytes - n * PIECE);
    const found = await mailbox.get(`${subject}.${id}.${n}`, PIECE);
    if (found?.payload.length !== length) {
      const came = found === undefined ? 'it is not there' : `it has ${found.payload.length}`;
      throw new FedtuneError(
        'MISSING_PIECE',
        `Expected ${length} bytes in piece ${n} of ${count} of ${who} but ${came}.`,
      );
    }
    whole.set(found.payload, n * PIECE);
  });
  const digest = sha256Of([whole]);
  if (digest !== sha256) {
    throw new FedtuneError(
      'BAD_DIGEST',
      `Expected a message of ${who} with sha256 ${sha256.slice(0, 12)}... but received ${digest.slice(0, 12)}....`,
    );
  }
  return whole;
}
