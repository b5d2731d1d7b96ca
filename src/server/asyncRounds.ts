import { deviceOf } from '../contracts/devices.js';
import { RunError } from '../errors.js';
import type { ClientUpdate } from '../methods/method.js';
import { byCode } from '../order.js';
import { acceptTurns, countBytes, countTokens, emitClients, meanLoss } from './accounts.js';
import { workSeconds } from './clock.js';
import { makeContext } from './context.js';
import { rebase } from './late.js';
import { saveArms } from './rounds.js';
import { dropsOut, sampleClients, sampleSize } from './sampling.js';
import { trainClients } from './train.js';
import type { Federation, LoopHost, LoopState, PendingUpdate, RunClient } from './types.js';

/** What is under way between two merges. */
interface Flight {
  pending: PendingUpdate[];
  dispatched: number;
  bytesDown: number;
  train: number;
  search: number;
}

/** Clients for idle places: one a draw; a busy one, or one that drops out, gives way to the next draw. */
function chooseIdle({ config, clients }: Federation, flight: Flight, busy: Set<string>, count: number): RunClient[] {
  const chosen: RunClient[] = [];
  for (let tries = 0; chosen.length < count && tries < 100 * count; tries++) {
    const draw = flight.dispatched++;
    const idle = clients.filter(({ id }) => !busy.has(id));
    const [client] = sampleClients(idle, draw, { ...config, clients_per_round: 1, participation: 1 });
    if (!client) break;
    if (dropsOut(client.id, draw, config)) continue;
    chosen.push(client);
    busy.add(client.id);
  }
  return chosen.sort((a, b) => byCode(a.id, b.id));
}

/**
 * Sends the adapter of now to `count` clients that neither work nor wait to be merged (`held`) and runs their work; each
 * update arrives when its device is done.
 */
async function dispatch(
  federation: Federation,
  state: LoopState,
  host: LoopHost,
  { flight, held, count, clock }: { flight: Flight; held: readonly PendingUpdate[]; count: number; clock: number },
): Promise<void> {
  const { config, clients, arms } = federation;
  const busy = new Set([...flight.pending, ...held].map(({ received }) => received.client));
  const chosen = chooseIdle(federation, flight, busy, count);
  if (chosen.length === 0) return;
  const round = state.round + 1;
  const context = makeContext({ config, round, clients: chosen, nextClients: [], allClients: clients });
  // Turns count dispatches, not merges: a client may be sent to more than once between two.
  const turn = flight.dispatched;
  const check = (update: ClientUpdate) => arms.main.check?.(update, context);
  const batch = { arm: 'main', sendings: arms.main.send(context), round, turn, dispatch: turn, check } as const;
  const { received, failures } = await trainClients(federation, state, batch, host);
  emitClients(host, round, received, failures, turn);
  for (const one of received) {
    const seconds = workSeconds(deviceOf(one.client, config), one);
    flight.pending.push({ received: one, version: state.round, arrives: clock + seconds });
  }
  const { train, search } = countTokens(received);
  flight.train += train;
  flight.search += search;
  flight.bytesDown += countBytes(received).down;
}

const earliest = (pending: readonly PendingUpdate[]): PendingUpdate =>
  pending.reduce((first, other) =>
    other.arrives < first.arrives ||
    (other.arrives === first.arrives && byCode(other.received.client, first.received.client) < 0)
      ? other
      : first,
  );

/** Keeps clients at work until so many updates have arrived; returns them and the clock then. */
async function fillBuffer(federation: Federation, state: LoopState, host: LoopHost, flight: Flight) {
  const { config, clients } = federation;
  const concurrency = sampleSize(clients.length, config);
  const wanted = Math.min(config.async_buffer ?? 1, concurrency);
  const buffer: PendingUpdate[] = [];
  let clock = state.clock;
  host.progress({ kind: 'round', round: state.round + 1, numRounds: config.num_rounds, jobs: concurrency });
  for (let failures = 0; buffer.length < wanted; ) {
    const count = concurrency - flight.pending.length - buffer.length;
    await dispatch(federation, state, host, { flight, held: buffer, count, clock });
    if (flight.pending.length === 0) {
      if (++failures <= config.retries) continue;
      throw new RunError(
        'TOO_FEW_CLIENTS',
        `Expected ${wanted} update(s) for merge ${state.round + 1} but no client answers. Lower dropout_rate, or raise retries.`,
      );
    }
    const next = earliest(flight.pending);
    flight.pending = flight.pending.filter((update) => update !== next);
    clock = next.arrives;
    buffer.push(next);
  }
  return { buffer, clock };
}

/**
 * One merge of the asynchronous mode (FedBuff, Nguyen et al., arXiv 2106.06639): clients work all the time, as many at
 * once as a round would sample; whenever `async_buffer` updates have arrived, the server merges them, each rebased onto
 * the adapter of now and discounted by its age. Time is the virtual clock of the device profiles.
 */
export async function runAsyncRound(federation: Federation, state: LoopState, host: LoopHost): Promise<LoopState> {
  const { config, clients, arms } = federation;
  const round = state.round + 1;
  const flight: Flight = {
    pending: [...state.pending],
    dispatched: state.dispatched,
    bytesDown: 0,
    train: 0,
    search: 0,
  };
  const { buffer, clock } = await fillBuffer(federation, state, host, flight);
  const received = buffer.map((update) => update.received).sort((a, b) => byCode(a.client, b.client));
  const updates = buffer
    .map((update) => rebase(update, arms.main, state.round, config.staleness_exponent))
    .sort((a, b) => byCode(a.client, b.client));
  const present = new Set(updates.map(({ client }) => client));
  const merging = clients.filter(({ id }) => present.has(id));
  const context = makeContext({ config, round, clients: merging, nextClients: [], allClients: clients });
  const merged = arms.main.aggregate(updates, context);
  const { up } = countBytes(received);
  host.emit({
    type: 'round',
    round,
    clients: updates.map(({ client }) => client),
    ages: Object.fromEntries(buffer.map((update) => [update.received.client, state.round - update.version])),
    loss: meanLoss(received),
    bytes_up: up,
    bytes_down: flight.bytesDown,
    metrics: merged.metrics,
    virtual_seconds: clock,
  });
  const { totals } = state;
  return {
    ...state,
    round,
    clock,
    dispatched: flight.dispatched,
    pending: flight.pending,
    server: saveArms(federation),
    turns: acceptTurns(state.turns, 'main', received),
    turnsBefore: state.turns,
    totals: {
      ...totals,
      bytesUp: totals.bytesUp + up,
      bytesDown: totals.bytesDown + flight.bytesDown,
      train: totals.train + flight.train,
      search: totals.search + flight.search,
    },
  };
}
