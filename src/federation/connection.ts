import { setTimeout as sleep } from 'node:timers/promises';
import { connect, jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { FedtuneError, InterruptedError } from '../errors.js';

/** What a connection needs to know. */
export interface Access {
  readonly url: string;
  /** Whom to trust, PEM. */
  readonly ca: string;
  readonly jwt: string;
  readonly seed: string;
  /** Shown by the server. */
  readonly name: string;
}

export interface ConnectOptions {
  /** Waits for a server that is away; else NO_SERVER says so after the first try. */
  readonly wait: boolean;
  readonly signal?: AbortSignal;
  /** Hears of breaks, and of their end. */
  readonly onStatus?: (text: string) => void;
}

/** A request that is not answered by then is made again. */
const REQUEST_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
const MAX_WAIT_MS = 1000;
/** The server asks each that says nothing for twice as long. One that is cut off is known when so many were not answered: they wait behind pieces. */
const PING_MS = 10_000;
const MAX_PINGS = 15;

const refused = (name: string, cause: unknown): FedtuneError =>
  new FedtuneError(
    'REFUSED',
    `The NATS server lets ${name} in no more: its key was revoked or rotated, its invite has expired, or the server is another one. ` +
      'Ask the coordinator for a new invite.',
    { cause },
  );

const isRefusal = (error: unknown): boolean =>
  error instanceof Error && ['AuthorizationError', 'UserAuthenticationExpiredError'].includes(error.name);

/**
 * Connects with TLS, and again after every break, as long as it takes. Throws FedtuneError REFUSED where the server knows the key no
 * more, NO_SERVER where none answers and nobody waits, InterruptedError.
 */
export async function openConnection(access: Access, options: ConnectOptions): Promise<NatsConnection> {
  const { url, ca, jwt, seed, name } = access;
  const { wait, signal, onStatus = () => {} } = options;
  for (let pause = FIRST_PAUSE_MS, said = false; ; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
    if (signal?.aborted) throw new InterruptedError('Interrupted.');
    try {
      const connection = await connect({
        ...{
          servers: url,
          name,
          timeout: REQUEST_MS,
          pingInterval: PING_MS,
          maxPingOut: MAX_PINGS,
          ignoreClusterUpdates: true,
        },
        ...{ maxReconnectAttempts: -1, reconnectTimeWait: 500, reconnectJitter: 500, reconnectJitterTLS: 500 },
        authenticator: jwtAuthenticator(jwt, new TextEncoder().encode(seed)),
        tls: { ca },
      });
      void watch(connection, onStatus);
      return connection;
    } catch (error) {
      if (isRefusal(error)) throw refused(name, error);
      if (!wait) {
        const said = (error as Error).message;
        throw new FedtuneError('NO_SERVER', `Expected a NATS server at ${url} but cannot connect: ${said}.`, {
          cause: error,
        });
      }
      if (!said) onStatus(`waiting for ${url} (${(error as Error).message})`);
      said = true;
      await sleep(pause, undefined, signal ? { signal } : {}).catch(() => {});
    }
  }
}

/** Whether a connection stands at this moment; wakes who waits for a change. */
class Pulse {
  isUp = true;
  readonly #waiting = new Set<() => void>();

  change(isUp: boolean): void {
    if (isUp === this.isUp) return;
    this.isUp = isUp;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Calls `wake` at the next change; returns what forgets it. */
  once(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }
}

const pulses = new WeakMap<NatsConnection, Pulse>();

async function watch(connection: NatsConnection, onStatus: (text: string) => void): Promise<void> {
  const pulse = new Pulse();
  pulses.set(connection, pulse);
  void connection.closed().then(() => pulse.change(false));
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') onStatus('the NATS server is away, waiting for it');
    if (type === 'reconnect') onStatus('the NATS server is back');
    if (type === 'disconnect' || type === 'reconnect') pulse.change(type === 'reconnect');
  }
}

/** Does work that a break of the connection cuts short: what was sent then may be lost, and nobody would answer it. */
async function whileUp<T>(pulse: Pulse, work: () => Promise<T>): Promise<T> {
  let forget = () => {};
  const cut = new Promise<never>((_, reject) => {
    forget = pulse.once(() => reject(Object.assign(new Error('The connection broke.'), { name: 'ConnectionError' })));
  });
  try {
    return await Promise.race([work(), cut]);
  } finally {
    forget();
  }
}

/** Waits until the connection stands, a second at most: nothing is sent before, or it would pile up in memory. */
async function untilUp(pulse: Pulse): Promise<void> {
  if (pulse.isUp) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, MAX_WAIT_MS);
    pulse.once(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Whether a connection stands: what is sent while it does not piles up in memory. */
export const isUp = (connection: NatsConnection): boolean => pulses.get(connection)?.isUp ?? false;

/** Why a connection that was to stay is closed. */
export async function closingError(connection: NatsConnection, name: string): Promise<FedtuneError> {
  const error = await connection.closed();
  if (error === undefined) return new InterruptedError('Interrupted.');
  if (isRefusal(error)) return refused(name, error);
  return new FedtuneError('NO_SERVER', `The connection to the NATS server ended: ${error.message}.`, { cause: error });
}

/** Errors that time heals: no answer yet, a server that has only just come back. */
const PASSING = ['TimeoutError', 'NoRespondersError', 'RequestError', 'ConnectionError'];

/**
 * Makes a request until it is answered, for as long as the connection stands. Throws what `closingError` says once it does not,
 * and `stop` whatever it likes, asked before each try.
 */
export async function persist<T>(
  connection: NatsConnection,
  name: string,
  work: () => Promise<T>,
  stop?: () => void,
): Promise<T> {
  const pulse = pulses.get(connection)!;
  for (let pause = FIRST_PAUSE_MS; ; ) {
    stop?.();
    if (connection.isClosed()) throw await closingError(connection, name);
    if (!pulse.isUp) {
      await untilUp(pulse);
      continue;
    }
    try {
      return await whileUp(pulse, work);
    } catch (error) {
      const { name: kind } = error as Error;
      if (connection.isClosed()) throw await closingError(connection, name);
      if (!PASSING.includes(kind)) throw error;
      if (!pulse.isUp) continue;
      await sleep(pause);
      pause = Math.min(2 * pause, MAX_PAUSE_MS);
    }
  }
}

export { REQUEST_MS };
