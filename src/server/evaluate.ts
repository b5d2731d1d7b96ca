import {
  type EvalSplit,
  type Evaluation,
  type MeanScore,
  type Score,
  type Scores,
  WHICH,
  type Which,
} from '../contracts/evaluation.js';
import { isGone } from '../contracts/isFinal.js';
import type { NllSums, StateTurns } from '../contracts/messages.js';
import { macroScore, scoreOf, weightedScore } from '../contracts/score.js';
import type { FedtuneError } from '../errors.js';
import { emitClients } from './accounts.js';
import { type ClientFailure, orInterrupted } from './train.js';
import type { Federation, LoopHost, LoopState, RunClient, Turns } from './types.js';

/** The split that shows progress during the run: validation, so that nothing is ever chosen by the test data. */
export function progressSplit(clients: readonly RunClient[]): EvalSplit {
  return clients.some(({ numValid }) => numValid > 0) ? 'valid' : 'test';
}

export const turnsOf = (turns: Turns, client: string): StateTurns => ({
  main: turns.main[client] ?? 0,
  local: turns.local[client] ?? 0,
});

export function scoresOf(sums: NllSums): Scores {
  const scores: Partial<Record<Which, Score>> = {};
  for (const which of WHICH) {
    const sum = sums[which];
    if (sum) scores[which] = scoreOf(sum);
  }
  return scores;
}

/** Macro and weighted means of each kind of score, over the clients that have it. */
export function summarise(round: number, split: EvalSplit, perClient: readonly Scores[]): Evaluation {
  const macro: Partial<Record<Which, MeanScore>> = {};
  const weighted: Partial<Record<Which, MeanScore>> = {};
  for (const which of WHICH) {
    const scores = perClient.map((scores) => scores[which]).filter((score) => score !== undefined);
    if (scores.length === 0) continue;
    macro[which] = macroScore(scores);
    weighted[which] = weightedScore(scores);
  }
  return { round, split, macro, weighted };
}

/** Whether the owners score after a round. */
export function isDue(round: number, { config }: Federation): boolean {
  const { eval_every: every, num_rounds: last } = config;
  return round === 0 || round === last || (every > 0 && round % every === 0);
}

/** What is worth asking for after a round: before the first every adapter is the base, which never changes. */
function wantedScores({ capabilities, arms }: Federation, state: LoopState): Which[] {
  if (state.round === 0) return ['base'];
  const known = Object.keys(state.baseScores).length > 0;
  const exist = new Set<Which>([...(known ? [] : (['base'] as const)), ...capabilities.gives]);
  if (arms.local) exist.add('local');
  return WHICH.filter((which) => exist.has(which));
}

/** What an owner that is gone has answered: that it is gone. Throws what else goes wrong. */
export const unlessGone = <T>(client: string, answer: Promise<T>): Promise<T | ClientFailure> =>
  answer.catch((error: unknown) => {
    if (isGone(error)) return { client, error: error as FedtuneError };
    throw error;
  });

/** Lets the owners score what there is after a round on the progress split; the base only once. */
export async function evaluateRound(federation: Federation, state: LoopState, host: LoopHost): Promise<LoopState> {
  const { clients, arms } = federation;
  const { round, turns } = state;
  const split = progressSplit(clients);
  const which = wantedScores(federation, state);
  const asked = clients.filter((client) => (split === 'valid' ? client.numValid : client.numTest) > 0);
  host.progress({ kind: 'evaluating', round, jobs: asked.length });
  const answers = await orInterrupted(
    Promise.all(
      asked.map(async (client) => {
        const states = turnsOf(turns, client.id);
        const offer = arms.main.offer(client);
        const request = { kind: 'score', round, split, which, states, ...offer } as const;
        const answer = await unlessGone(client.id, host.link.ask(client.id, request));
        if ('error' in answer) return answer;
        const { reply } = answer;
        return { id: client.id, scores: scoresOf(reply.scores), tokens: reply.tokens };
      }),
    ),
    host.signal,
  );
  emitClients(
    host,
    round,
    [],
    answers.filter((answer) => 'error' in answer),
  );
  const replies = answers.filter((answer) => 'scores' in answer);
  const fresh = new Map(replies.map(({ id, scores }) => [id, scores]));
  const baseScores: Record<string, Score> = { ...state.baseScores };
  for (const [id, { base }] of fresh) if (base) baseScores[id] = base;
  const perClient = clients.map(({ id }): Scores => {
    const base = baseScores[id];
    return { ...(base ? { base } : {}), ...fresh.get(id) };
  });
  const evaluation = summarise(round, split, perClient);
  host.emit({
    type: 'evaluation',
    ...evaluation,
    clients: Object.fromEntries(clients.map(({ id }, i) => [id, perClient[i]!])),
  });
  host.progress({ kind: 'evaluated', evaluation });
  const tokens = replies.reduce((sum, reply) => sum + reply.tokens, 0);
  return {
    ...state,
    baseScores,
    totals: { ...state.totals, eval: state.totals.eval + tokens },
    evaluations: [...state.evaluations, evaluation],
  };
}
