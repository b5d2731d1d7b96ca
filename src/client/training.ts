import { performance } from 'node:perf_hooks';
import { checkFinite } from '../adapter/check.js';
import type { TrainRequest, Update } from '../contracts/messages.js';
import type { ClientContext } from '../methods/method.js';
import { makeTrainPhase } from '../methods/schedule.js';
import type { TrackResult } from '../methods/work.js';
import { runTracks } from './localWork.js';
import { loadState, type OpenOwner, saveState } from './openOwner.js';
import { halfOfArm } from './setup.js';

function sumTokens(results: readonly TrackResult[]): Update['tokens'] {
  const sum = { train: 0, search: 0, targets: 0 };
  for (const { tokens } of results) {
    sum.train += tokens.train;
    sum.search += tokens.search;
    sum.targets += tokens.targets;
  }
  return sum;
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
  const half = halfOfArm(setup, arm);
  owner.throwIfStopped();
  states.keepOnly([...request.keep, request.state]);
  const state = loadState(states, half, request.state);
  const context: ClientContext = {
    client,
    round,
    trainPhase: (overrides) => makeTrainPhase(setup.config, round, client.numTrain, overrides),
  };
  const received = { parts, note };
  const tracks = half.work(received, state, context);
  const results = runTracks(tracks, { env: setup.engine.env, examples: train, seed });
  for (const { name, adapter } of results) checkFinite(adapter.values, client.id, `${name} adapter`);
  const kept = half.keep(received, results, state, context);
  for (const [name, part] of Object.entries(kept.parts)) checkFinite(part.values, client.id, name);
  owner.throwIfStopped();
  saveState(states, half, turn, kept.state);
  const main = results.find(({ name }) => name === 'main') ?? results[0];
  return {
    kind: 'update',
    round,
    turn,
    parts: kept.parts,
    note: kept.note,
    losses: main?.losses ?? [],
    tokens: sumTokens(results),
    seconds: Float64Array.of((performance.now() - started) / 1000),
  };
}
