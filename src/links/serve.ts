import { Owner, type OwnerHome, Setups } from '../client/owner.js';
import { toWireError } from '../contracts/wireError.js';
import { decodeRequest, encodeMessage, joinMessage } from './codec.js';
import type { EngineHost } from './engineHost.js';

/**
 * Answers encoded requests to owners, in one thread or process. The owner that was asked last stays open; what it knows is read
 * again from its home where another thread worked for it since.
 */
export class OwnerServer {
  readonly #host: EngineHost;
  readonly #setups: Setups;
  #last: { readonly where: string; readonly owner: Owner } | undefined;

  constructor(host: EngineHost) {
    this.#host = host;
    this.#setups = new Setups(host);
  }

  #owner(home: OwnerHome): Owner {
    const where = JSON.stringify(home);
    if (this.#last?.where !== where) this.#last = { where, owner: new Owner(home, this.#host, this.#setups) };
    return this.#last.owner;
  }

  /** The encoded reply, in memory of its own; never throws. */
  async answer(home: OwnerHome, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const request = decodeRequest(bytes);
      if (request.kind !== 'describe') this.#host.forgetTokenizer();
      return joinMessage(encodeMessage(await this.#owner(home).handle(request)));
    } catch (error) {
      return joinMessage(encodeMessage({ kind: 'error', error: toWireError(error) }));
    }
  }
}
