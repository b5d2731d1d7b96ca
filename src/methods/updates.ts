import { checkAdapter } from '../adapter/check.js';
import { type Adapter, type AdapterLayout, sameLayout } from '../adapter/layout.js';
import { type Part, type Parts, unpackPart } from '../adapter/part.js';
import { AdapterError, FedtuneError } from '../errors.js';
import { byCode } from '../order.js';
import type { ClientInfo, ClientUpdate } from './method.js';

/** An update whose adapter was unpacked and checked, with what the server knows of the client. */
export interface CheckedUpdate {
  readonly client: ClientInfo;
  readonly update: ClientUpdate;
  readonly adapter: Adapter;
}

/** How the adapter of a client's update is to be read. */
export interface Expected {
  /** The layout in which the client got its adapter. */
  readonly layout: AdapterLayout;
  /** The mask that the server knows of the client. */
  readonly mask?: Uint8Array | null;
  /** Stands where a factor does not travel; zeros without it. */
  readonly fallback?: Float32Array;
}

/** A part by its name. Throws FedtuneError MISSING_PART, naming who sent it. */
export function partOf(parts: Parts, name: string, from: string): Part {
  const part = Object.hasOwn(parts, name) ? parts[name] : undefined;
  if (part !== undefined) return part;
  const names = Object.keys(parts).join(', ') || 'none';
  throw new FedtuneError('MISSING_PART', `Expected a part "${name}" in what ${from} sent but it has ${names}.`);
}

/** A part of an update, unpacked and checked: layout, size, finite, inside its mask. Throws AdapterError or FedtuneError. */
export function readPart(part: Part, expected: Expected, what: string): Adapter {
  let adapter: Adapter;
  try {
    const { layout, mask = null, fallback } = expected;
    adapter = unpackPart(part, layout, fallback === undefined ? { mask } : { mask, fallback });
  } catch (cause) {
    if (!(cause instanceof AdapterError)) throw cause;
    throw new AdapterError(cause.code, `${what} does not fit. ${cause.message}`, { cause });
  }
  if (!sameLayout(adapter.layout, expected.layout)) {
    throw new FedtuneError(
      'UNLIKE_LAYOUT',
      `Expected ${what} in the layout that was sent (${expected.layout.size} entries) but it has ${adapter.layout.size} entries or other ranks.`,
    );
  }
  checkAdapter(adapter, what);
  return adapter;
}

/** The updates sorted by client id, each of this round and from one of its clients. Throws FedtuneError STALE_UPDATE. */
export function sortUpdates(
  updates: readonly ClientUpdate[],
  round: number,
  clients: readonly ClientInfo[],
): { readonly client: ClientInfo; readonly update: ClientUpdate }[] {
  const known = new Map(clients.map((client) => [client.id, client]));
  return [...updates]
    .sort((a, b) => byCode(a.client, b.client))
    .map((update) => {
      const client = known.get(update.client);
      if (client !== undefined && update.round === round) return { client, update };
      throw new FedtuneError(
        'STALE_UPDATE',
        `Expected updates of round ${round} from its clients but received one of round ${update.round} from ${update.client}.`,
      );
    });
}

/**
 * The updates sorted by client id, each checked before anything is merged: of this round, from one of its clients, in the
 * layout that was sent, finite and inside its mask. Throws FedtuneError or AdapterError that names the client.
 */
export function checkUpdates(
  updates: readonly ClientUpdate[],
  round: number,
  clients: readonly ClientInfo[],
  expected: (client: ClientInfo) => Expected,
): CheckedUpdate[] {
  return sortUpdates(updates, round, clients).map(({ client, update }) => {
    const part = partOf(update.parts, 'adapter', `client ${client.id}`);
    return { client, update, adapter: readPart(part, expected(client), `the update of client ${client.id}`) };
  });
}
