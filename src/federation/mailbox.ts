import {
  type Msg,
  headers as makeHeaders,
  type NatsConnection,
  NoRespondersError,
  RequestError,
} from '@nats-io/transport-node';
import { FedtuneError } from '../errors.js';
import { persist, REQUEST_MS } from './connection.js';

/** Code of the error where there is no stream to put a message into. */
export const NO_STREAM = 'NO_STREAM';
/** Bytes a second of the slowest network, with as many requests beside each other as there may be. */
const SLOWEST = 8192;
/** How long an answer may take that goes with so many bytes: one that was given up too early would be sent again, behind the first. */
const patience = (bytes: number): number => REQUEST_MS + (1000 * bytes) / SLOWEST;

/** Nobody answers while a server starts, and where it has no such stream; the second is believed after so many tries. */
const TRIES = 12;

const isNobody = (error: unknown): boolean =>
  error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());

/** The last message of a subject. */
export interface Found {
  readonly payload: Uint8Array;
  readonly seq: number;
  header(name: string): string | undefined;
}

/**
 * An owner's stream as one side sees it: the last message of each subject. What was put is on the server's disk; both wait for a
 * server that is away.
 */
export class Mailbox {
  readonly #connection: NatsConnection;
  readonly #name: string;
  readonly #getPrefix: string;
  readonly #stop: () => void;

  /** `getPrefix`: stands before the subject of a message that is read. `stop`: throws where nothing more is to be waited for. */
  constructor(connection: NatsConnection, name: string, getPrefix: string, stop: () => void) {
    this.#connection = connection;
    this.#name = name;
    this.#getPrefix = getPrefix;
    this.#stop = stop;
  }

  /**
   * Puts a message in the place of the last of its subject: twice is as once, so that it is tried until it is kept. `bytes`: of each that is
   * put beside it.
   */
  async put(
    subject: string,
    payload: Uint8Array,
    more: Readonly<Record<string, string>> = {},
    bytes = payload.length,
  ): Promise<void> {
    const headers = makeHeaders();
    for (const [key, value] of Object.entries(more)) headers.set(key, value);
    const timeout = patience(bytes);
    const send = async () => {
      const reply = await this.#connection.request(subject, payload, { headers, timeout });
      const { error } = reply.json<{ readonly error?: { readonly description?: string } }>();
      if (error)
        throw new FedtuneError(
          'NATS',
          `The NATS server did not keep a message: ${error.description ?? 'no reason given'}.`,
        );
    };
    await this.#persist(send, () => {
      throw new FedtuneError(
        NO_STREAM,
        'The NATS server has no stream for this owner; the coordinator makes it when it asks.',
      );
    });
  }

  /** `nobody`: what to do where nobody answers. */
  async #persist<T>(work: () => Promise<T>, nobody: () => T): Promise<T> {
    let tries = 0;
    const counted = async () => {
      try {
        return await work();
      } catch (error) {
        if (!isNobody(error) || ++tries < TRIES) throw error;
        return nobody();
      }
    };
    return persist(this.#connection, this.#name, counted, this.#stop);
  }

  /** The last message of a subject; undefined where there is none. `bytes`: of each that is read beside it. */
  async get(subject: string, bytes = 0): Promise<Found | undefined> {
    const timeout = patience(bytes);
    const ask = () => this.#connection.request(`${this.#getPrefix}${subject}`, undefined, { timeout });
    const found = await this.#persist<Msg | undefined>(ask, () => undefined);
    if (found === undefined) return undefined;
    const { data, headers } = found;
    if (headers === undefined) throw new FedtuneError('NATS', 'The NATS server answered without headers.');
    if (headers.code === 404) return undefined;
    if (headers.code >= 400) {
      throw new FedtuneError('NATS', `The NATS server did not give a message: ${headers.code} ${headers.description}.`);
    }
    return {
      payload: data,
      seq: Number(headers.get('Nats-Sequence')),
      header: (name) => (headers.has(name) ? headers.get(name) : undefined),
    };
  }
}
