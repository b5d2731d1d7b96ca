import type { ClientResult } from '../client/job.js';
import { POOLED } from '../contracts/pooled.js';
import { RunError } from '../errors.js';
import { byCode } from '../order.js';
import { deviceOf, jobSeconds } from './clock.js';
import { makeContext } from './context.js';
import { rebase, stalenessFactor } from './late.js';
import { type PlanFailure, runPlans } from './runPlans.js';
import { dropsOut, sampleClients } from './sampling.js';
import type { ClientPlan, RoundContext, Strategy } from './strategy.js';
import type { Federation, LoopHost, LoopState, PendingUpdate, RunClient, Totals } from './types.js';

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

/** What one arm (the method, or the local runs beside it) did in a round. */
interface ArmRound {
  readonly context: RoundContext;
  readonly plans: readonly ClientPlan[];
  readonly results: ClientResult[];
  readonly failures: readonly PlanFailure[];
}

async function runArm(
  federation: Federation,
  strategy: Strategy,
  round: number,
  chosen: RoundClients,
  busy: ReadonlySet<string>,
  host: LoopHost,
): Promise<ArmRound> {
  const { config, clients } = federation;
  const nextClients = round < config.num_rounds ? chooseClients(federation, round + 1).sampled : [];
  const context = makeContext({ config, round, clients: chosen.sampled, nextClients, allClients: clients });
  const working = new Set(chosen.active.filter(({ id }) => !busy.has(id)).map(({ id }) => id));
  const plans = strategy.configure(context).filter(({ client }) => client === POOLED || working.has(client));
  return { context, plans, ...(await runPlans(federation, plans, round, host)) };
}

interface Timed {
  readonly onTime: ClientResult[];
  readonly late: readonly PendingUpdate[];
  readonly seconds: number;
}

/** Sorts the results by the virtual clock: a round lasts until its last client, or until the deadline. */
function applyDeadline(federation: Federation, arm: ArmRound, state: LoopState): Timed {
  const { config } = federation;
  const timed = arm.results.map((result) => {
    const plan = arm.plans.find(({ client }) => client === result.client)!;
    const bytes = { down: plan.bytesDown, up: federation.strategy.uploadBytes?.(result, arm.context) };
    return { result, plan, seconds: jobSeconds(deviceOf(result.client, config), result, bytes) };
  });
  const deadline = config.deadline ?? Number.POSITIVE_INFINITY;
  const late = timed
    .filter(({ seconds }) => seconds > deadline)
    .map(({ result, plan, seconds }) => ({
      result,
      sent: (plan.tracks.find(({ name }) => name === 'main') ?? plan.tracks[0]!).adapter,
      version: state.round,
      arrives: state.clock + seconds,
    }));
  return {
    onTime: timed.filter(({ seconds }) => seconds <= deadline).map(({ result }) => result),
    late,
    seconds: timed.reduce((most, { seconds }) => Math.max(most, Math.min(seconds, deadline)), 0),
  };
}

function requireClients(
  federation: Federation,
  round: number,
  results: readonly ClientResult[],
  failures: readonly PlanFailure[],
) {
  const { config } = federation;
  // `centralized` has one result for all of them.
  const enough = results.some(({ client }) => client === POOLED) ? 1 : config.min_clients;
  if (results.length >= enough) return;
  const reason = failures[0] ? ` The last to fail was ${failures[0].client}: ${failures[0].message}` : '';
  throw new RunError(
    'TOO_FEW_CLIENTS',
    `Expected at least ${enough} client(s) to complete round ${round} but ${results.length} did.${reason} ` +
      'The state of the last round is saved; lower min_clients or dropout_rate, raise retries or deadline, and start anew, or resume.',
  );
}

function countTokens(results: readonly ClientResult[], kind: 'train' | 'search'): number {
  return results.reduce((sum, { tracks }) => sum + tracks.reduce((all, { tokens }) => all + tokens[kind], 0), 0);
}

export function meanLoss(results: readonly ClientResult[]): number | undefined {
  const losses = results.map(({ tracks }) => tracks[0]?.losses.at(-1)).filter((loss) => loss !== undefined);
  return losses.length === 0 ? undefined : losses.reduce((a, b) => a + b, 0) / losses.length;
}

function emitClients(host: LoopHost, round: number, arm: ArmRound): void {
  for (const { client, tracks, seconds } of arm.results) {
    const main = tracks[0];
    host.emit({ type: 'client', round, client, losses: main?.losses ?? [], tokens: main?.tokens, seconds });
  }
  for (const failure of arm.failures) host.emit({ type: 'client_failed', round, ...failure });
}

/** The round's context with those whose late update joins it; they need not have been sampled again. */
function withJoined(federation: Federation, context: RoundContext, joined: readonly ClientResult[]): RoundContext {
  const present = new Set([...context.clients.map(({ id }) => id), ...joined.map(({ client }) => client)]);
  return { ...context, clients: federation.clients.filter(({ id }) => present.has(id)) };
}

/** One synchronous round: sample, configure, train, wait until the deadline, merge. Returns the state after it. */
export async function runRound(federation: Federation, state: LoopState, host: LoopHost): Promise<LoopState> {
  const { config, strategy, localStrategy } = federation;
  const round = state.round + 1;
  const chosen = chooseClients(federation, round);
  const busy = new Set(state.pending.filter(({ arrives }) => arrives > state.clock).map(({ result }) => result.client));
  host.progress({ kind: 'round', round, numRounds: config.num_rounds, clients: chosen.active.length });
  const [arm, localArm] = await Promise.all([
    runArm(federation, strategy, round, chosen, busy, host),
    localStrategy && runArm(federation, localStrategy, round, chosen, busy, host),
  ]);
  const { onTime, late, seconds } = applyDeadline(federation, arm, state);
  const clock = state.clock + seconds;
  const waiting = [...state.pending, ...(config.late === 'discount' ? late : [])];
  const fresh = new Set(onTime.map(({ client }) => client));
  const arrived = waiting.filter(
    ({ arrives, version, result }) => arrives <= clock && version < state.round && !fresh.has(result.client),
  );
  const joined = arrived.map((update) =>
    rebase(update, strategy.global(), stalenessFactor(state.round - update.version, config.staleness_exponent), round),
  );
  const results = [...onTime, ...joined].sort((a, b) => byCode(a.client, b.client));
  requireClients(federation, round, results, arm.failures);
  const merged = strategy.aggregate(results, withJoined(federation, arm.context, joined));
  if (localStrategy && localArm) localStrategy.aggregate(localArm.results, localArm.context);

  const bytesDown = arm.plans.reduce((sum, plan) => sum + plan.bytesDown, 0);
  emitClients(host, round, arm);
  host.emit({
    type: 'round',
    round,
    clients: results.map(({ client }) => client),
    dropped: chosen.dropped,
    late: late.map(({ result }) => result.client),
    joined_late: joined.map(({ client }) => client),
    loss: meanLoss(onTime),
    bytes_up: merged.bytesUp,
    bytes_down: bytesDown,
    metrics: merged.metrics,
    ...(config.devices.length > 0 ? { virtual_seconds: clock } : {}),
  });
  const { totals } = state;
  const next: Totals = {
    ...totals,
    bytesUp: totals.bytesUp + merged.bytesUp,
    bytesDown: totals.bytesDown + bytesDown,
    train: totals.train + countTokens(arm.results, 'train'),
    search: totals.search + countTokens(arm.results, 'search'),
    local: totals.local + (localArm ? countTokens(localArm.results, 'train') : 0),
  };
  return {
    ...state,
    round,
    totals: next,
    clock,
    pending: waiting.filter(({ arrives }) => arrives > clock),
    strategies: snapshot(federation),
  };
}

/** The states of the strategies, between two rounds. */
export function snapshot({ strategy, localStrategy }: Federation): LoopState['strategies'] {
  return { main: strategy.state(), ...(localStrategy ? { local: localStrategy.state() } : {}) };
}
