import { InterruptedError } from '../errors.js';
import { collectGarbage } from '../garbage.js';
import { runAsyncRound } from './asyncRounds.js';
import { keepBest, stopsEarly } from './bestRound.js';
import { evaluateRound, isDue } from './evaluate.js';
import { runRound, saveArms } from './rounds.js';
import type { Federation, LoopHost, LoopState } from './types.js';
import { planWork } from './workPlan.js';

/** The state before the first round. */
function initialState(federation: Federation): LoopState {
  const none = { main: {}, local: {} };
  return {
    round: 0,
    server: saveArms(federation),
    turns: none,
    turnsBefore: none,
    totals: { bytesUp: 0, bytesDown: 0, train: 0, search: 0, eval: 0, local: 0, tune: 0 },
    clock: 0,
    pending: [],
    dispatched: 0,
    baseScores: {},
    evaluations: [],
  };
}

function restoreArms({ arms }: Federation, { server }: LoopState): void {
  arms.main.restore(server.main);
  arms.local?.restore(server.local);
}

/** Evaluates and saves the state before the first round. */
async function begin(federation: Federation, host: LoopHost): Promise<LoopState> {
  const state = await evaluateRound(federation, initialState(federation), host);
  await host.checkpoint(state);
  return state;
}

/**
 * The rounds of a federation, whatever the method: sample, send, train, merge, evaluate, save. Equal configuration, clients
 * and seed give equal results, whatever the link, the number of workers, the order in which they finish, and wherever the
 * run was cut and resumed.
 *
 * With `early_stopping_patience` they end earlier. `resumed` is the state to go on from. Throws InterruptedError when `host.signal` fires; the last checkpoint stands.
 */
export async function runRounds(begun: Federation, host: LoopHost, resumed?: LoopState): Promise<LoopState> {
  let federation = begun;
  const { config } = federation;
  if (resumed) restoreArms(federation, resumed);
  host.progress({ kind: 'plan', plan: planWork(federation) });
  // What opening the run left lying about.
  collectGarbage('all');
  let state = resumed ?? (await begin(federation, host));
  for (;;) {
    const grown = await host.grow?.(state);
    if (grown) {
      federation = grown;
      restoreArms(federation, state);
    }
    if (state.round >= config.num_rounds || stopsEarly(federation, state, host)) return state;
    if (host.signal.aborted) throw new InterruptedError('Interrupted.');
    state = await (config.async_buffer === null ? runRound : runAsyncRound)(federation, state, host);
    // The updates that were merged, before anything else takes memory.
    collectGarbage('all');
    if (isDue(state.round, federation)) state = keepBest(federation, await evaluateRound(federation, state, host));
    await host.checkpoint(state);
  }
}
