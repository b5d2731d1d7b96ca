import type { OwnerHome } from '../../src/client/owner.js';
import { InterruptedError } from '../../src/errors.js';
import { joinMessage } from '../../src/links/codec.js';
import { EngineHost } from '../../src/links/engineHost.js';
import { exchange, homeOf } from '../../src/links/exchange.js';
import type { Link, Tap } from '../../src/links/link.js';
import { OwnerServer } from '../../src/links/serve.js';

export interface InlineOptions {
  readonly homes: readonly OwnerHome[];
  /** @default 1 */
  readonly threads?: number;
  readonly tap?: Tap;
}

/** Owners on the calling thread, one request after the other, with the same messages in between. */
export function createInlineLink({ homes, threads = 1, tap }: InlineOptions): Link {
  let isClosed = false;
  const throwIfStopped = () => {
    if (isClosed) throw new InterruptedError('Interrupted.');
  };
  const host = new EngineHost({ threads, throwIfStopped });
  const server = new OwnerServer(host);
  const byId = new Map(homes.map((home) => [home.id, home]));
  let last: Promise<unknown> = Promise.resolve();
  return {
    workers: 1,
    ask: async (owner, request) => {
      const carry = (home: OwnerHome, bytes: Uint8Array) => {
        const answer = last.then(async () => joinMessage(await server.answer(home, bytes)));
        last = answer;
        return answer;
      };
      throwIfStopped();
      return exchange(owner, request, (message) => carry(homeOf(byId, owner), joinMessage(message)), tap);
    },
    close: async () => {
      isClosed = true;
      await last;
      host.dispose();
    },
  };
}
