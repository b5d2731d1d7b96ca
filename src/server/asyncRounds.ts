import { RunError } from '../errors.js';
import { byCode } from '../order.js';
import { deviceOf, jobSeconds } from './clock.js';
import { makeContext } from './context.js';
import { rebase, stalenessFactor } from './late.js';
import { meanLoss, snapshot } from './rounds.js';
import { runPlans } from './runPlans.js';
import { dropsOut, sampleClients, sampleSize } from './sampling.js';
import type { Federation, LoopHost, LoopState, PendingUpdate, RunClient } from './types.js';

interface Flight {
  pending: PendingUpdate[];
  dispatched: number;
  bytesDown: number;
  train: number;
  search: number;
}

/**
 * Sends the adapter of now to `count` clients that neither work nor wait to be merged (`held`) and runs their jobs; each
 * arrives when its device is done.
 */
async function dispatch(
  federation: Federation,
  state: LoopState,
  flight: Flight,
  held: readonly PendingUpdate[],
  count: number,
  clock: number,
  host: LoopHost,
): Promise<void> {
  const { config, clients, strategy } = federation;
  const busy = new Set([...flight.pending, ...held].map(({ result }) => result.client));
  const chosen: RunClient[] = [];
  // The clients of a draw are taken in a fixed order; a busy one, or one that drops out, gives way to the next draw.
  for (let tries = 0; chosen.length < count && tries < 100 * count; tries++) {
    const draw = flight.dispatched++;
    const idle = clients.filter(({ id }) => !busy.has(id));
    const [client] = sampleClients(idle, draw, { ...config, clients_per_round: 1, participation: 1 });
    if (!client) break;
    if (dropsOut(client.id, draw, config)) continue;
    chosen.push(client);
    busy.add(client.id);
  }
  if (chosen.length === 0) return;
  const round = state.round + 1;
  const sorted = chosen.sort((a, b) => byCode(a.id, b.id));
  const context = makeContext({ config, round, clients: sorted, nextClients: [], allClients: clients });
  const plans = strategy.configure(context);
  // Seeds count dispatches, not rounds: a client may be sent to more than once between two merges.
  const { results, failures } = await runPlans(federation, plans, flight.dispatched, host);
  for (const failure of failures) host.emit({ type: 'client_failed', round, ...failure });
  for (const result of results) {
    const plan = plans.find(({ client }) => client === result.client)!;
    const bytes = { down: plan.bytesDown, up: strategy.uploadBytes?.(result, context) };
    const seconds = jobSeconds(deviceOf(result.client, config), result, bytes);
    const sent = (plan.tracks.find(({ name }) => name === 'main') ?? plan.tracks[0]!).adapter;
    flight.pending.push({ result, sent, version: state.round, arrives: clock + seconds });
    for (const { tokens } of result.tracks) {
      flight.train += tokens.train;
      flight.search += tokens.search;
    }
  }
  flight.bytesDown += plans.reduce((sum, plan) => sum + plan.bytesDown, 0);
}

const earliest = (pending: readonly PendingUpdate[]): PendingUpdate =>
  pending.reduce((first, other) =>
    other.arrives < first.arrives || (other.arrives === first.arrives && other.result.client < first.result.client)
      ? other
      : first,
  );

/**
 * One merge of the asynchronous mode (FedBuff, Nguyen et al., arXiv 2106.06639): clients work all the time, as many at
 * once as a round would sample; whenever `async_buffer` updates have arrived, the server merges them, each rebased onto
 * the adapter of now and discounted by its age. Time is the virtual clock of the device profiles.
 */
export async function runAsyncRound(federation: Federation, state: LoopState, host: LoopHost): Promise<LoopState> {
  const { config, clients, strategy } = federation;
  const round = state.round + 1;
  const concurrency = sampleSize(clients.length, config);
  const wanted = Math.min(config.async_buffer ?? 1, concurrency);
  const flight: Flight = {
    pending: [...state.pending],
    dispatched: state.dispatched,
    bytesDown: 0,
    train: 0,
    search: 0,
  };
  const buffer: PendingUpdate[] = [];
  let clock = state.clock;
  host.progress({ kind: 'round', round, numRounds: config.num_rounds, clients: concurrency });
  for (let failures = 0; buffer.length < wanted; ) {
    const idle = concurrency - flight.pending.length - buffer.length;
    await dispatch(federation, state, flight, buffer, idle, clock, host);
    if (flight.pending.length === 0) {
      if (++failures <= config.retries) continue;
      throw new RunError(
        'TOO_FEW_CLIENTS',
        `Expected ${wanted} update(s) for merge ${round} but no client answers. Lower dropout_rate, or raise retries.`,
      );
    }
    const next = earliest(flight.pending);
    flight.pending = flight.pending.filter((update) => update !== next);
    clock = next.arrives;
    buffer.push(next);
  }
  const results = buffer
    .map((update) =>
      rebase(
        update,
        strategy.global(),
        stalenessFactor(state.round - update.version, config.staleness_exponent),
        round,
      ),
    )
    .sort((a, b) => byCode(a.client, b.client));
  const present = new Set(results.map(({ client }) => client));
  const context = makeContext({
    config,
    round,
    clients: clients.filter(({ id }) => present.has(id)),
    nextClients: [],
    allClients: clients,
  });
  const merged = strategy.aggregate(results, context);
  host.emit({
    type: 'round',
    round,
    clients: results.map(({ client }) => client),
    ages: Object.fromEntries(buffer.map(({ result, version }) => [result.client, state.round - version])),
    loss: meanLoss(results),
    bytes_up: merged.bytesUp,
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
    totals: {
      ...totals,
      bytesUp: totals.bytesUp + merged.bytesUp,
      bytesDown: totals.bytesDown + flight.bytesDown,
      train: totals.train + flight.train,
      search: totals.search + flight.search,
    },
    strategies: snapshot(federation),
  };
}
