import { createHash, type Hash } from 'node:crypto';
import { appendFileSync, closeSync, createReadStream, fsyncSync, openSync } from 'node:fs';
import { rm, stat, truncate } from 'node:fs/promises';
import type { RunEvent } from '../contracts/events.js';
import { RunError } from '../errors.js';
import { writeError } from '../files.js';

/** How far events.jsonl had come, and what it was. */
export interface EventsMark {
  readonly bytes: number;
  readonly sha256: string;
}

const ROUND = '"type":"round"';

/** A file in pieces, up to a length; nothing where it is missing. */
async function* piecesOf(path: string, bytes = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
  if (bytes === 0) return;
  try {
    yield* createReadStream(path, { end: bytes - 1 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** events.jsonl: one line an event. It is written at its end alone, and read and hashed in pieces. */
export class EventLog {
  readonly #path: string;
  #fd: number | undefined;
  #bytes = 0;
  #hash: Hash = createHash('sha256');

  constructor(path: string) {
    this.#path = path;
  }

  /** Appends one event. Throws RunError WRITE_FAILED. */
  append(event: RunEvent): void {
    const line = Buffer.from(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    try {
      this.#fd ??= openSync(this.#path, 'a');
      appendFileSync(this.#fd, line);
    } catch (cause) {
      throw writeError(this.#path, cause);
    }
    this.#hash.update(line);
    this.#bytes += line.length;
  }

  /** Makes the events so far durable. Throws RunError WRITE_FAILED. */
  sync(): EventsMark {
    try {
      if (this.#fd !== undefined) fsyncSync(this.#fd);
    } catch (cause) {
      throw writeError(this.#path, cause);
    }
    return { bytes: this.#bytes, sha256: this.#hash.copy().digest('hex') };
  }

  /** Throws RunError STATE_DAMAGED where the events before a saved state are not the ones that were written. */
  async check(mark: EventsMark): Promise<void> {
    this.#hash = createHash('sha256');
    this.#bytes = 0;
    for await (const piece of piecesOf(this.#path, mark.bytes)) {
      this.#hash.update(piece);
      this.#bytes += piece.length;
    }
    if (this.#bytes === mark.bytes && this.#hash.copy().digest('hex') === mark.sha256) return;
    throw new RunError(
      'STATE_DAMAGED',
      `${this.#path} is missing or was altered: its first ${mark.bytes} bytes are not those that the saved state knows of. ` +
        'Put it back, or start the run anew.',
    );
  }

  /** Cuts off events behind a saved state, which `check` went up to: their rounds are done again. Throws RunError WRITE_FAILED. */
  async cut(): Promise<void> {
    const size = (await stat(this.#path).catch(() => undefined))?.size ?? 0;
    if (size === this.#bytes) return;
    await truncate(this.#path, this.#bytes).catch((cause: unknown) => {
      throw writeError(this.#path, cause);
    });
  }

  /** Whether a round was finished, as the events say. */
  async tellsOfRounds(): Promise<boolean> {
    let tail = '';
    for await (const piece of piecesOf(this.#path)) {
      const text = tail + piece.toString('latin1');
      if (text.includes(ROUND)) return true;
      tail = text.slice(-ROUND.length);
    }
    return false;
  }

  /** Removes all events. Throws RunError WRITE_FAILED. */
  async remove(): Promise<void> {
    this.close();
    this.#hash = createHash('sha256');
    this.#bytes = 0;
    await rm(this.#path, { force: true }).catch((cause: unknown) => {
      throw writeError(this.#path, cause);
    });
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
