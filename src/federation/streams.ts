import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { FedtuneError } from '../errors.js';
import { persist } from './connection.js';
import { streamSubjects } from './subjects.js';

/** What the server's notes on each message take beside it, at most. */
const OVERHEAD = 1.05;
const SLACK = 1024 * 1024;

const STREAM_NOT_FOUND = 10059;
const isMissing = (error: unknown): boolean => error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND;

/** The streams of the owners, which the coordinator alone can make and change. */
export class Streams {
  readonly #connection: NatsConnection;
  readonly #name: string;
  readonly #manager: Promise<JetStreamManager>;
  /** Room of the streams that are known to be there. */
  readonly #room = new Map<string, number>();

  constructor(connection: NatsConnection, name: string) {
    this.#connection = connection;
    this.#name = name;
    this.#manager = jetstreamManager(connection, { checkAPI: false });
  }

  async #persist<T>(work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    const manager = await this.#manager;
    try {
      return await persist(this.#connection, this.#name, () => work(manager));
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || isMissing(error)) throw error;
      throw new FedtuneError('NATS', `The NATS server refused what the coordinator asked: ${error.message}.`, {
        cause: error,
      });
    }
  }

  /** Sees to it that the owner's stream is there and holds that many bytes. An owner that sends more is refused by the server. */
  async ensure(account: string, bytes: number): Promise<void> {
    const room = Math.ceil(bytes * OVERHEAD) + SLACK;
    if ((this.#room.get(account) ?? 0) >= room) return;
    const config = {
      name: account,
      subjects: streamSubjects(account),
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_msgs_per_subject: 1,
      max_bytes: room,
      discard: DiscardPolicy.New,
      allow_direct: true,
    };
    await this.#persist(async (manager) => {
      try {
        const { config: known } = await manager.streams.info(account);
        if (known.max_bytes < room) await manager.streams.update(account, config);
      } catch (error) {
        if (!isMissing(error)) throw error;
        await manager.streams.add(config);
      }
    });
    this.#room.set(account, room);
  }

  /** Forgets all messages of these subjects. */
  async purge(account: string, filter: string): Promise<void> {
    await this.#persist((manager) => manager.streams.purge(account, { filter }));
  }

  /** Has `ensure` look again: the server lost a stream. */
  forget(account: string): void {
    this.#room.delete(account);
  }

  /** Removes the stream of an owner that is no more. */
  async remove(account: string): Promise<void> {
    this.forget(account);
    await this.#persist((manager) => manager.streams.delete(account)).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }
}
