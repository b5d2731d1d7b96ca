import type { z } from 'zod';
import { checkAdapter } from '../adapter/check.js';
import type { Factors } from '../adapter/factors.js';
import { type Adapter, type AdapterLayout, sameLayout } from '../adapter/layout.js';
import { type Part, type Parts, partLayout, unpackPart } from '../adapter/part.js';
import { AdapterError, FedtuneError } from '../errors.js';
import { byCode } from '../order.js';
import type { ClientInfo, ClientUpdate, Sending } from './method.js';

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
  /** The factors that travel. @default whatever came */
  readonly factors?: Factors;
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

/** What came beside an adapter, by its schema. Throws FedtuneError BAD_NOTE, naming who sent it. */
export function noteOf<T>(schema: z.ZodType<T>, { note }: Sending, from: string): T {
  const parsed = schema.safeParse(note);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => [...path, message].join(': '));
  throw new FedtuneError('BAD_NOTE', `The note that ${from} sent is not what the method takes: ${lines.join('; ')}.`);
}

function sameMask(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === b || (a !== null && b !== null && Buffer.compare(a, b) === 0);
}

function requireLayout(part: Part, { layout, factors = part.factors }: Expected, what: string): void {
  const own = partLayout(part, layout);
  if (!sameLayout(own, layout)) {
    throw new FedtuneError(
      'UNLIKE_LAYOUT',
      `Expected ${what} in the layout that was sent (${layout.size} entries) but it has ${own.size} entries or other ranks.`,
    );
  }
  if (part.factors !== factors) {
    throw new FedtuneError('UNLIKE_FACTORS', `Expected the factors ${factors} in ${what} but it has ${part.factors}.`);
  }
}

/** A part of an update, unpacked and checked: layout, size, finite, inside its mask. Throws AdapterError or FedtuneError. */
export function readPart(part: Part, expected: Expected, what: string): Adapter {
  let adapter: Adapter;
  try {
    requireLayout(part, expected, what);
    const { layout, mask = null, fallback } = expected;
    adapter = unpackPart(part, layout, fallback === undefined ? { mask } : { mask, fallback });
  } catch (cause) {
    if (!(cause instanceof AdapterError)) throw cause;
    throw new AdapterError(cause.code, `${what} does not fit. ${cause.message}`, { cause });
  }
  checkAdapter(adapter, what);
  // The mask that is known already is kept once.
  const { mask = null } = expected;
  return sameMask(adapter.mask, mask) ? { ...adapter, mask } : adapter;
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
