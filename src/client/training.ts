import { performance } from 'node:perf_hooks';
import { checkFinite } from '../adapter/check.js';
import { packPart } from '../adapter/part.js';
import type { TrainRequest, Update } from '../contracts/messages.js';
import type { ClientContext } from '../methods/method.js';
import { makeTrainPhase } from '../methods/schedule.js';
import type { TrackResult } from '../methods/work.js';
import { runTracks } from './localWork.js';
import { type KeptTurn, loadTurn, type OpenOwner, saveTurn } from './openOwner.js';
import { armOf, type OwnerArm } from './setup.js';

function sumTokens(results: readonly TrackResult[]): Update['tokens'] {
  const sum = { train: 0, search: 0, targets: 0 };
  for (const { tokens } of results) {
    sum.train += tokens.train;
    sum.search += tokens.search;
    sum.targets += tokens.targets;
  }
  return sum;
}

/** What is uploaded; a method of the user's own may call its only track something else. */
const mainOf = (results: readonly TrackResult[]): TrackResult | undefined =>
  results.find(({ name }) => name === 'main') ?? results[0];

/** What stays at home of a round, besides the state of the method's half. */
function keptOf({ keepsUnmerged, keepsOptimizer }: OwnerArm, round: number, results: readonly TrackResult[]): KeptTurn {
  const optimizers = results.flatMap(({ name, optimizer }) => (optimizer ? [[name, optimizer] as const] : []));
  const main = mainOf(results);
  return {
    ...(keepsUnmerged(round) && main ? { unmerged: packPart(main.adapter, { mask: 'element' }) } : {}),
    ...(keepsOptimizer ? { optimizers: Object.fromEntries(optimizers) } : {}),
  };
}

/**
 * An owner's round: the method's local work from the kept state that the request names, a new state beside it, and the update. The
 * states that the server no longer comes back to go first, the new one comes last, so that both sides can be killed at any moment and
 * the round done again to the same bits.
 *
 * Throws EngineError, AdapterError, FedtuneError NON_FINITE, RunError, InterruptedError.
 */
export function trainOwner(owner: OpenOwner, request: TrainRequest): Update {
  const started = performance.now();
  const { client, setup, train } = owner;
  const { arm, round, turn, seed, parts, note } = request;
  const states = owner.states[arm];
  const own = armOf(setup, arm);
  owner.throwIfStopped();
  states.keepOnly([...request.keep, request.state]);
  const before = loadTurn(states, request.state);
  const context: ClientContext = {
    client,
    round,
    trainPhase: (overrides) => makeTrainPhase(own.train, round, client.numTrain, overrides),
  };
  const received = { parts, note };
  const tracks = own.half.work(received, before.state, context);
  const optimizers = own.keepsOptimizer ? (before.optimizers ?? {}) : undefined;
  const results = runTracks(tracks, { env: setup.engine.env, examples: train, seed, optimizers });
  for (const { name, adapter } of results) checkFinite(adapter.values, client.id, `${name} adapter`);
  const { parts: sent, note: said, state } = own.half.keep(received, results, before.state, context);
  for (const [name, part] of Object.entries(sent)) checkFinite(part.values, client.id, name);
  owner.throwIfStopped();
  saveTurn(states, turn, { ...(state === undefined ? {} : { state }), ...keptOf(own, round, results) });
  return {
    kind: 'update',
    round,
    turn,
    parts: sent,
    note: said,
    losses: mainOf(results)?.losses ?? [],
    tokens: sumTokens(results),
    seconds: Float64Array.of((performance.now() - started) / 1000),
  };
}
