import { deviceOf } from '../contracts/devices.js';
import { POOLED } from '../contracts/pooled.js';
import { RunError } from '../errors.js';
import { collectGarbage } from '../garbage.js';
import type { ClientUpdate, OpenMerge, RoundContext, Sending, ServerHalf } from '../methods/method.js';
import { byCode } from '../order.js';
import { acceptTurns, countBytes, countTokens, emitClients, meanLoss } from './accounts.js';
import { workSeconds } from './clock.js';
import { makeContext } from './context.js';
import { rebase, updateOf } from './late.js';
import { dropsOut, sampleClients } from './sampling.js';
import { type ClientFailure, type Trained, trainClients } from './train.js';
import type { Federation, LoopHost, LoopState, PendingUpdate, Received, RunClient } from './types.js';

/** Who was asked in a round, and who of them took part. */
export interface RoundClients {
  readonly sampled: readonly RunClient[];
  readonly active: readonly RunClient[];
  readonly dropped: readonly string[];
}

/**
 * Samples a round's clients and lets some drop out. Where that leaves fewer than `min_clients`, the round is drawn again,
 * up to `retries` times. Depends on the seed and the round only.
 */
export function chooseClients(federation: Federation, round: number): RoundClients {
  const { config, clients } = federation;
  let chosen: RoundClients = { sampled: [], active: [], dropped: [] };
  for (let attempt = 0; attempt <= config.retries; attempt++) {
    const sampled = sampleClients(clients, round, config, attempt);
    const active = sampled.filter(({ id }) => !dropsOut(id, round, config, attempt));
    chosen = { sampled, active, dropped: sampled.filter((c) => !active.includes(c)).map(({ id }) => id) };
    if (active.length >= config.min_clients) break;
  }
  return chosen;
}

function contextOf(federation: Federation, round: number, sampled: readonly RunClient[]): RoundContext {
  const { config, clients } = federation;
  const nextClients = round < config.num_rounds ? chooseClients(federation, round + 1).sampled : [];
  return makeContext({ config, round, clients: sampled, nextClients, allClients: clients });
}

/** What the server's half sends, to those alone who take part. */
function sendingsOf(server: ServerHalf, context: RoundContext, working: ReadonlySet<string>): Map<string, Sending> {
  return new Map([...server.send(context)].filter(([client]) => client === POOLED || working.has(client)));
}

interface Timed {
  readonly onTime: readonly Received[];
  readonly late: readonly PendingUpdate[];
  readonly seconds: number;
}

/** Sorts the updates by the virtual clock: a round lasts until its last client, or until the deadline. */
function applyDeadline({ config }: Federation, received: readonly Received[], state: LoopState): Timed {
  const timed = received.map((one) => ({ one, seconds: workSeconds(deviceOf(one.client, config), one) }));
  const deadline = config.deadline ?? Number.POSITIVE_INFINITY;
  return {
    onTime: timed.filter(({ seconds }) => seconds <= deadline).map(({ one }) => one),
    late: timed
      .filter(({ seconds }) => seconds > deadline)
      .map(({ one, seconds }) => ({ received: one, version: state.round, arrives: state.clock + seconds })),
    seconds: timed.reduce((most, { seconds }) => Math.max(most, Math.min(seconds, deadline)), 0),
  };
}

function requireClients(
  { config, capabilities }: Federation,
  round: number,
  count: number,
  failures: readonly ClientFailure[],
): void {
  // One client works for all of them in a pooled method.
  const enough = capabilities.pooled ? 1 : config.min_clients;
  if (count >= enough) return;
  const first = failures[0];
  const reason = first ? ` ${first.client} failed: ${first.error.message}` : '';
  throw new RunError(
    'TOO_FEW_CLIENTS',
    `Expected at least ${enough} client(s) to complete round ${round} but ${count} did.${reason} ` +
      'The state of the last round is saved; lower min_clients or dropout_rate, raise retries or deadline, and start anew, or resume.',
    { cause: first?.error },
  );
}

/** Who waits, who of them has arrived by now, and in what form they join the round. */
function joinLate(federation: Federation, state: LoopState, timed: Timed, clock: number) {
  const { config, arms } = federation;
  const waiting = [...state.pending, ...(config.late === 'discount' ? timed.late : [])];
  const fresh = new Set(timed.onTime.map(({ client }) => client));
  const arrived = waiting.filter(
    ({ arrives, version, received }) => arrives <= clock && version < state.round && !fresh.has(received.client),
  );
  return {
    arrived: arrived.map(({ received }) => received),
    joined: arrived.map((update) => rebase(update, arms.main, state.round, config.staleness_exponent)),
    pending: waiting.filter(({ arrives }) => arrives > clock),
  };
}

/** The round's context with those whose late update joins it; they need not have been sampled again. */
function withJoined(federation: Federation, context: RoundContext, joined: readonly ClientUpdate[]): RoundContext {
  const present = new Set([...context.clients.map(({ id }) => id), ...joined.map(({ client }) => client)]);
  return { ...context, clients: federation.clients.filter(({ id }) => present.has(id)) };
}

/**
 * Merges updates as they come, so that they need not wait in memory; undefined where some of them may come too late, or earlier ones join,
 * and where the method needs them all at once.
 */
function mergeAsTheyCome({ config, arms }: Federation, state: LoopState, context: RoundContext): OpenMerge | undefined {
  if (config.deadline !== null || state.pending.length > 0) return undefined;
  return arms.main.openMerge?.(context);
}

/** What is kept of an update once it is in the merge. */
function takeInto(merge: OpenMerge, received: Received): Received {
  merge.add(updateOf(received));
  collectGarbage('young');
  return { ...received, update: { ...received.update, parts: {}, note: null } };
}

/** The method's clients and, beside them, those of the local training; each with a state of its own. */
async function trainArms(
  federation: Federation,
  state: LoopState,
  context: RoundContext,
  host: LoopHost,
  working: ReadonlySet<string>,
  merge: OpenMerge | undefined,
) {
  const { main, local } = federation.arms;
  const { round } = context;
  const train = (arm: 'main' | 'local', server: ServerHalf, take?: (one: Received) => Received): Promise<Trained> => {
    const sendings = sendingsOf(server, context, working);
    // A merge that is open checks what it takes.
    const check = (update: ClientUpdate) => (take === undefined ? server.check?.(update, context) : undefined);
    const batch = { arm, sendings, round, turn: round, check };
    return trainClients(federation, state, batch, host, take);
  };
  const take = merge && ((one: Received) => takeInto(merge, one));
  const [mainArm, localArm] = await Promise.all([train('main', main, take), local && train('local', local)]);
  return { mainArm, localArm };
}

/** One synchronous round: sample, send, train, wait until the deadline, merge. Returns the state after it. */
export async function runRound(federation: Federation, state: LoopState, host: LoopHost): Promise<LoopState> {
  const { config, arms } = federation;
  const round = state.round + 1;
  const chosen = chooseClients(federation, round);
  const busy = new Set(
    state.pending.filter(({ arrives }) => arrives > state.clock).map(({ received }) => received.client),
  );
  const working = new Set(chosen.active.filter(({ id }) => !busy.has(id)).map(({ id }) => id));
  const jobs = (federation.capabilities.pooled ? 1 : working.size) * (arms.local ? 2 : 1);
  host.progress({ kind: 'round', round, numRounds: config.num_rounds, jobs });
  const context = contextOf(federation, round, chosen.sampled);
  const merge = mergeAsTheyCome(federation, state, context);
  const { mainArm, localArm } = await trainArms(federation, state, context, host, working, merge);

  const timed = applyDeadline(federation, mainArm.received, state);
  const clock = state.clock + timed.seconds;
  const { arrived, joined, pending } = joinLate(federation, state, timed, clock);
  const updates = [...timed.onTime.map(updateOf), ...joined].sort((a, b) => byCode(a.client, b.client));
  requireClients(federation, round, updates.length, mainArm.failures);
  const merged = merge?.close() ?? arms.main.aggregate(updates, withJoined(federation, context, joined));
  arms.local?.aggregate(localArm?.received.map(updateOf) ?? [], context);

  const { down } = countBytes(mainArm.received);
  const { up } = countBytes([...timed.onTime, ...arrived]);
  emitClients(host, round, mainArm.received, mainArm.failures);
  host.emit({
    type: 'round',
    round,
    clients: updates.map(({ client }) => client),
    dropped: chosen.dropped,
    late: timed.late.map(({ received }) => received.client),
    joined_late: joined.map(({ client }) => client),
    loss: meanLoss(timed.onTime),
    bytes_up: up,
    bytes_down: down,
    metrics: merged.metrics,
    ...(config.devices.length > 0 ? { virtual_seconds: clock } : {}),
  });
  const { train, search } = countTokens(mainArm.received);
  const { totals } = state;
  const accepted = acceptTurns(state.turns, 'main', [...timed.onTime, ...arrived]);
  return {
    ...state,
    round,
    server: saveArms(federation),
    turns: localArm ? acceptTurns(accepted, 'local', localArm.received) : accepted,
    turnsBefore: state.turns,
    totals: {
      ...totals,
      bytesUp: totals.bytesUp + up,
      bytesDown: totals.bytesDown + down,
      train: totals.train + train,
      search: totals.search + search,
      local: totals.local + (localArm ? countTokens(localArm.received).train : 0),
    },
    clock,
    pending,
  };
}

/** The server's halves, between two rounds. */
export function saveArms({ arms }: Federation): LoopState['server'] {
  return { main: arms.main.state(), ...(arms.local ? { local: arms.local.state() } : {}) };
}
