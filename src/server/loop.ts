import type { Score } from '../contracts/evaluation.js';
import { ConfigError, InterruptedError } from '../errors.js';
import { runAsyncRound } from './asyncRounds.js';
import { candidatesOf, evaluateClients, progressSplit, scoresByClient, summarise } from './evaluate.js';
import { type FinishedRun, finishRun } from './finish.js';
import { runRound, snapshot } from './rounds.js';
import type { Federation, LoopHost, LoopState } from './types.js';

/** The state before the first round. */
export function initialState(federation: Federation): LoopState {
  return {
    round: 0,
    strategies: snapshot(federation),
    totals: { bytesUp: 0, bytesDown: 0, train: 0, search: 0, eval: 0, local: 0, tune: 0 },
    clock: 0,
    pending: [],
    dispatched: 0,
    baseScores: {},
    evaluations: [],
  };
}

/** Brings the strategies back to a saved state. */
export function restoreStrategies(federation: Federation, state: LoopState): void {
  const { main, local } = state.strategies;
  if (main) federation.strategy.restore(main);
  if (local) federation.localStrategy?.restore(local);
}

function isDue(round: number, federation: Federation): boolean {
  const { eval_every: every, num_rounds: last } = federation.config;
  return round === 0 || round === last || (every > 0 && round % every === 0);
}

/** Scores what there is after a round on the progress split; the base only once, as it never changes. */
async function evaluateRound(federation: Federation, state: LoopState, host: LoopHost): Promise<LoopState> {
  const split = progressSplit(federation.clients);
  const known = Object.keys(state.baseScores).length > 0;
  const { scores, tokens } = await evaluateClients(
    federation.clients,
    (client) => {
      const { base, ...rest } = candidatesOf(federation, client);
      // Before the first round every adapter is the base.
      if (state.round === 0) return { base: base ?? null };
      return known ? rest : { base: base ?? null, ...rest };
    },
    [split],
    host,
    state.round,
  );
  const byClient = scoresByClient(federation.clients, scores, split);
  const baseScores: Record<string, Score> = { ...state.baseScores };
  for (const [id, { base }] of byClient) if (base) baseScores[id] = base;
  const perClient = [...byClient].map(([id, rest]) => ({
    ...(baseScores[id] ? { base: baseScores[id] } : {}),
    ...rest,
  }));
  const evaluation = summarise(state.round, split, perClient);
  const clients = Object.fromEntries([...byClient.keys()].map((id, i) => [id, perClient[i]!]));
  host.emit({ type: 'evaluation', ...evaluation, clients });
  host.progress({ kind: 'evaluated', evaluation });
  return {
    ...state,
    baseScores,
    totals: { ...state.totals, eval: state.totals.eval + tokens },
    evaluations: [...state.evaluations, evaluation],
  };
}

function checkTakeHome(federation: Federation): void {
  const { take_home: wanted, method, finetune_epochs, finetune_steps } = federation.config;
  const first = federation.clients[0];
  if (wanted === 'best_on_validation' || wanted === 'tuned' || !first) return;
  const kinds = Object.keys(candidatesOf(federation, first));
  if (federation.strategy.personalizes && !kinds.includes('personalized')) kinds.push('personalized');
  if (finetune_epochs > 0 || finetune_steps > 0) kinds.push('tuned');
  if (kinds.includes(wanted)) return;
  throw new ConfigError(
    `Expected take_home to be best_on_validation or one of ${kinds.join(', ')} with method ${method}, but received ${wanted}.`,
  );
}

/**
 * The fixed loop around a strategy's hooks: sample, configure, train, aggregate, evaluate, checkpoint, round after
 * round; then fine-tuning and the final scores. Equal configuration, clients and seed give equal results, whatever the
 * number of workers, the order in which they finish, and wherever the run was cut and resumed.
 *
 * `resumed` is the state to go on from. Throws InterruptedError when `host.signal` fires; the last checkpoint stands.
 */
export async function runLoop(federation: Federation, host: LoopHost, resumed?: LoopState): Promise<FinishedRun> {
  checkTakeHome(federation);
  let state = resumed ?? initialState(federation);
  if (resumed) {
    restoreStrategies(federation, resumed);
  } else {
    state = await evaluateRound(federation, state, host);
    await host.checkpoint(state);
  }
  const { num_rounds: numRounds, async_buffer: buffer } = federation.config;
  while (state.round < numRounds) {
    if (host.signal.aborted) throw new InterruptedError('Interrupted.');
    state = await (buffer === null ? runRound : runAsyncRound)(federation, state, host);
    if (isDue(state.round, federation)) state = await evaluateRound(federation, state, host);
    await host.checkpoint(state);
  }
  return finishRun(federation, state, host);
}
