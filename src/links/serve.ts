import { Owner, type OwnerHome, Setups } from '../client/owner.js';
import { toWireError } from '../contracts/wireError.js';
import { type CarriedMessage, decodeRequest, type EncodedMessage, encodeMessage } from './codec.js';
import type { EngineHost } from './engineHost.js';

/** Owners whose examples together are no larger stay open in a thread; the one at work always does. */
const MAX_OPEN_BYTES = 64 * 1024 * 1024;

/**
 * Answers encoded requests to owners, in one thread or process. Those that were asked last stay open; what they know is read again
 * from their homes where another thread worked for them since.
 */
export class OwnerServer {
  readonly #host: EngineHost;
  readonly #setups: Setups;
  readonly #open = new Map<string, Owner>();

  constructor(host: EngineHost) {
    this.#host = host;
    this.#setups = new Setups(host);
  }

  #owner(home: OwnerHome): Owner {
    const where = JSON.stringify(home);
    const owner = this.#open.get(where) ?? new Owner(home, this.#host, this.#setups);
    // In the order in which they were asked last.
    this.#open.delete(where);
    let bytes = owner.bytes;
    for (const { bytes: more } of this.#open.values()) bytes += more;
    for (const [oldest, { bytes: freed }] of this.#open) {
      if (bytes <= MAX_OPEN_BYTES) break;
      this.#open.delete(oldest);
      bytes -= freed;
    }
    this.#open.set(where, owner);
    return owner;
  }

  /** The encoded reply; never throws. */
  async answer(home: OwnerHome, message: CarriedMessage): Promise<EncodedMessage> {
    try {
      const request = decodeRequest(message);
      if (request.kind !== 'describe') this.#host.forgetTokenizer();
      return encodeMessage(await this.#owner(home).handle(request));
    } catch (error) {
      return encodeMessage({ kind: 'error', error: toWireError(error) });
    }
  }
}
