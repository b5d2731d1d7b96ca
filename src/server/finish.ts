import type { Adapter } from '../adapter/layout.js';
import type { KeptRounds, Scores, Which } from '../contracts/evaluation.js';
import type { FedtuneError } from '../errors.js';
import { deriveSeed } from '../random.js';
import { scoresOf, summarise, turnsOf, unlessGone } from './evaluate.js';
import { orInterrupted } from './train.js';
import type { Federation, LoopHost, LoopState, RunClient } from './types.js';

/** What the server knows of how one owner ends. */
export interface FinishedClient {
  readonly client: RunClient;
  readonly test: Scores;
  readonly valid: Scores;
  /** Which adapter the owner goes home with; the adapter itself is the owner's. */
  readonly takeHome: Which;
  /** `keep: best_on_validation`: the round that each adapter is of. */
  readonly kept?: KeptRounds;
}

export interface FinishedRun {
  readonly state: LoopState;
  readonly clients: readonly FinishedClient[];
  readonly global: Adapter | undefined;
  /** The masks that clients found, where the method has any. */
  readonly masks: ReadonlyMap<string, Uint8Array>;
}

/** Ended without a reply; failed on its own machine. */
const AGAIN: ReadonlySet<string> = new Set(['WORKER', 'OWNER_FAILED']);

/** Asks one owner; an owner that ended without a reply is asked again, `retries` times. */
async function finishClient(federation: Federation, state: LoopState, client: RunClient, host: LoopHost) {
  const { config, arms } = federation;
  // A round of its own, so that no seed is that of a training round.
  const seed = deriveSeed(config.seed, 'job', config.num_rounds + 1, client.id);
  const states = turnsOf(state.turns, client.id);
  const request = { kind: 'finish', round: state.round, seed, states, ...arms.main.offer(client) } as const;
  for (let attempt = 0; ; attempt++) {
    try {
      return (await host.link.ask(client.id, request)).reply;
    } catch (error) {
      const again = attempt < config.retries && AGAIN.has((error as { code?: string }).code ?? '');
      if (!again || host.signal.aborted) throw error;
      host.progress({
        kind: 'failed',
        round: state.round,
        client: client.id,
        message: (error as Error).message,
        again,
      });
    }
  }
}

/**
 * After the last round every owner fine-tunes (where the run file says so), scores everything it has on its validation and
 * test examples (of the best round, with `keep: best_on_validation`), chooses by validation what it takes home and writes that down; the server hears of sums and choices. An owner that is none
 * any more is left out.
 */
export async function finishRun(federation: Federation, state: LoopState, host: LoopHost): Promise<FinishedRun> {
  const { config, clients, arms } = federation;
  if (config.finetune_steps > 0 || config.finetune_epochs > 0)
    host.progress({ kind: 'tuning', clients: clients.length });
  host.progress({ kind: 'evaluating', round: state.round, jobs: clients.length });
  const { best } = state;
  if (best) arms.main.restore(best.server);
  const work = clients.map((client) => unlessGone(client.id, finishClient(federation, state, client, host)));
  // Where one fails the others come to their end first, or what they go on to write would be left behind.
  const all = Promise.allSettled(work).then(() => Promise.all(work));
  const answers = await orInterrupted(all, host.signal);
  const failed = (client: string, { code, message }: Pick<FedtuneError, 'code' | 'message'>) =>
    host.emit({ type: 'client_failed', round: 'tuning', client, code, message });
  const finished = clients.flatMap((client, i): FinishedClient[] => {
    const answer = answers[i]!;
    if ('error' in answer) failed(client.id, answer.error);
    if (!('takeHome' in answer)) return [];
    const { valid, test, takeHome, tuneFailure, rounds } = answer;
    if (tuneFailure) failed(client.id, tuneFailure);
    const kept = { ...(best ? { global: best.round } : {}), ...rounds };
    const isKept = config.keep !== 'last';
    return [{ client, valid: scoresOf(valid), test: scoresOf(test), takeHome, ...(isKept ? { kept } : {}) }];
  });
  if (finished.length === 0) throw answers.find((answer) => 'error' in answer)!.error;
  const replies = answers.filter((answer) => 'takeHome' in answer);
  const final = summarise(
    state.round,
    'test',
    finished.map(({ test }) => test),
  );
  const takeHome = Object.fromEntries(finished.map((c) => [c.client.id, c.takeHome]));
  host.emit({ type: 'final', ...final, take_home: takeHome });
  const sum = (kind: 'eval' | 'tune' | 'local') => replies.reduce((total, { tokens }) => total + tokens[kind], 0);
  const { totals: before } = state;
  const totals = {
    ...before,
    eval: before.eval + sum('eval'),
    tune: sum('tune'),
    local: before.local + sum('local'),
  };
  return {
    state: { ...state, totals },
    clients: finished,
    global: arms.main.global(),
    masks: arms.main.masks?.() ?? new Map(),
  };
}
