import { checkFinite } from '../adapter/check.js';
import { isFinal } from '../contracts/isFinal.js';
import type { Arm, TrainRequest, Update } from '../contracts/messages.js';
import { FedtuneError, InterruptedError } from '../errors.js';
import type { ClientUpdate, Sending } from '../methods/method.js';
import { byCode } from '../order.js';
import { deriveSeed } from '../random.js';
import { updateOf } from './late.js';
import type { Federation, LoopHost, LoopState, Received } from './types.js';

export interface ClientFailure {
  readonly client: string;
  readonly error: FedtuneError;
}

export interface Trained {
  /** Sorted by client id. */
  readonly received: readonly Received[];
  readonly failures: readonly ClientFailure[];
}

/** One batch of local training: who is sent what, in which arm. */
export interface TrainingBatch {
  readonly arm: Arm;
  readonly sendings: ReadonlyMap<string, Sending>;
  readonly round: number;
  /** Names the states that the work leaves, and seeds it. */
  readonly turn: number;
  /** Asynchronous mode: the dispatch. */
  readonly dispatch?: number;
  /** Throws where an update cannot be merged. */
  readonly check?: (update: ClientUpdate) => void;
}

/** The request to one client: its seed comes from (run seed, turn, client) alone. */
function makeRequest(
  { config }: Federation,
  state: LoopState,
  { arm, round, turn }: TrainingBatch,
  client: string,
  { parts, note }: Sending,
): TrainRequest {
  const start = state.turns[arm][client] ?? 0;
  const before = state.turnsBefore[arm][client] ?? 0;
  return {
    kind: 'train',
    arm,
    round,
    turn,
    attempt: 0,
    seed: deriveSeed(config.seed, 'job', turn, client),
    state: start,
    keep: [...new Set([before, start])].filter((kept) => kept > 0),
    parts,
    note,
  };
}

function checkUpdate(client: string, { round, turn }: TrainRequest, update: Update): void {
  if (update.round !== round || update.turn !== turn) {
    throw new FedtuneError(
      'WRONG_RESULT',
      `Expected the update of ${client} for round ${round} (turn ${turn}) but received one for round ${update.round} (turn ${update.turn}).`,
    );
  }
  for (const [name, { values }] of Object.entries(update.parts)) checkFinite(values, client, name);
}

const asFedtuneError = (error: unknown): FedtuneError =>
  error instanceof FedtuneError
    ? error
    : new FedtuneError('UNKNOWN', error instanceof Error ? error.message : String(error), { cause: error });

/** Trains one client; tries again what may go better the next time, `retries` times. */
async function trainClient(
  client: string,
  request: TrainRequest,
  sent: Sending,
  retries: number,
  host: LoopHost,
  { dispatch, check }: TrainingBatch,
): Promise<Received | ClientFailure> {
  const where = { round: request.round, client, ...(dispatch === undefined ? {} : { dispatch }) };
  for (let attempt = 0; ; attempt++) {
    try {
      const { reply, bytesDown, bytesUp } = await host.link.ask(client, { ...request, attempt });
      checkUpdate(client, request, reply);
      check?.(updateOf({ client, update: reply }));
      const { seconds: clock, ...update } = reply;
      const seconds = clock[0]!;
      const { train, search } = update.tokens;
      host.progress({ kind: 'job', ...where, tokens: train + search, search, seconds, loss: update.losses.at(-1) });
      return { client, update, seconds, sent, bytesDown, bytesUp };
    } catch (cause) {
      // The link was closed under it: no failure of the client, nothing to try again.
      if (cause instanceof InterruptedError || host.signal.aborted) throw cause;
      const error = asFedtuneError(cause);
      const again = attempt < retries && !isFinal(error);
      host.progress({ kind: 'failed', ...where, message: error.message, again });
      if (!again) return { client, error };
    }
  }
}

/**
 * Rejects as soon as the run is interrupted; requests under way are left to the link's end. For a whole batch, not for
 * each request: every call listens to the signal.
 */
export async function orInterrupted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    throw new InterruptedError('Interrupted.');
  }
  let stop: (() => void) | undefined;
  const interrupted = new Promise<never>((_, reject) => {
    stop = () => reject(new InterruptedError('Interrupted.'));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
    work.catch(() => {});
  }
}

/**
 * Begins a job for each item, and takes their results in the order of the items, each as soon as those before it were taken. Rejects with
 * the first that fails. No result is held on to: what `take` gives is all that is left of it.
 */
function takeInOrder<Item, T>(
  items: readonly Item[],
  begin: (item: Item) => Promise<T>,
  take: (one: T) => T,
): Promise<T[]> {
  let before: Promise<unknown> = Promise.resolve();
  return Promise.all(
    items.map((item) => {
      const taken = Promise.all([begin(item), before]).then(([one]) => take(one));
      const settled = () => {};
      before = taken.then(settled, settled);
      return taken;
    }),
  );
}

/** What is kept of an update; one that cannot be merged is its client's failure, as the merge is as before then. */
function takeOrRefuse(received: Received, take: (received: Received) => Received): Received | ClientFailure {
  try {
    return take(received);
  } catch (error) {
    if (!(error instanceof FedtuneError) || error instanceof InterruptedError) throw error;
    return { client: received.client, error };
  }
}

/**
 * Sends a batch out and waits for all of it. A client that fails is reported, never silently left out. `take` gets each update, sorted
 * by client id, as soon as those before it are there, and says what is kept of it.
 */
export async function trainClients(
  federation: Federation,
  state: LoopState,
  batch: TrainingBatch,
  host: LoopHost,
  take: (received: Received) => Received = (received) => received,
): Promise<Trained> {
  const sorted = [...batch.sendings].sort(([a], [b]) => byCode(a, b));
  const begin = ([client, sent]: (typeof sorted)[number]): Promise<Received | ClientFailure> => {
    const request = makeRequest(federation, state, batch, client, sent);
    return trainClient(client, request, sent, federation.config.retries, host, batch);
  };
  const taken = takeInOrder(sorted, begin, (one) => ('update' in one ? takeOrRefuse(one, take) : one));
  const outcomes = await orInterrupted(taken, host.signal);
  const received = outcomes
    .filter((outcome) => 'update' in outcome)
    .map((one) => (federation.capabilities.silent ? { ...one, bytesDown: 0, bytesUp: 0 } : one));
  const failures = outcomes.filter((outcome) => 'error' in outcome);
  return {
    received: received.sort((a, b) => byCode(a.client, b.client)),
    failures: failures.sort((a, b) => byCode(a.client, b.client)),
  };
}
