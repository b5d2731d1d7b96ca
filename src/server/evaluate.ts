import type { Adapter } from '../adapter/layout.js';
import {
  type ClientScore as BareScore,
  type EvalSplit,
  type Evaluation,
  type Scores,
  WHICH,
  type Which,
} from '../contracts/evaluation.js';
import type { EvalOutcome } from '../eval/job.js';
import { macroScore, makeScore, weightedScore } from '../eval/score.js';
import { type ScoreRequest, scoreAdapters } from '../eval/scoreAdapters.js';
import { orInterrupted } from './runPlans.js';
import type { ClientAdapters } from './strategy.js';
import type { Federation, LoopHost, RunClient } from './types.js';

/** One score with those of its examples. */
export interface ClientScore extends BareScore {
  /** Per example, in the order of the client's split. */
  readonly outcome: EvalOutcome;
}

/** The adapters of a client that can be scored, by what they are; `base` is null. */
export type Candidates = Partial<Record<Which, Adapter | null>>;

/** What the method and the local runs beside it give a client now. */
export function candidatesOf(federation: Federation, client: RunClient): Candidates {
  const adapters: ClientAdapters = federation.strategy.personalize(client);
  const local = adapters.local ?? federation.localStrategy?.personalize(client).local;
  return {
    base: null,
    ...(local ? { local } : {}),
    ...(adapters.global ? { global: adapters.global } : {}),
    ...(adapters.personalized ? { personalized: adapters.personalized } : {}),
  };
}

/** The split that shows progress during the run: validation, so that nothing is ever chosen by the test data. */
export function progressSplit(clients: readonly RunClient[]): EvalSplit {
  return clients.some(({ valid }) => valid.length > 0) ? 'valid' : 'test';
}

/** Scores the candidates of every client on the splits given; clients without examples there have no score. */
export async function evaluateClients(
  clients: readonly RunClient[],
  candidates: (client: RunClient) => Candidates,
  splits: readonly EvalSplit[],
  host: LoopHost,
  round: number,
): Promise<{ scores: ClientScore[]; tokens: number }> {
  type Key = Pick<ClientScore, 'client' | 'which' | 'split'>;
  const requests: ScoreRequest<Key>[] = clients.flatMap((client) => {
    const adapters = candidates(client);
    return splits
      .filter((split) => client[split].length > 0)
      .flatMap((split) =>
        WHICH.filter((which) => adapters[which] !== undefined).map((which) => ({
          key: { client: client.id, which, split },
          adapter: adapters[which] ?? null,
          indices: client[split],
        })),
      );
  });
  host.progress({ kind: 'evaluating', round, jobs: requests.length });
  const { scored, tokens } = await orInterrupted(scoreAdapters(host.pool, requests), host.signal);
  const scores = scored.map(({ key, outcome }) => ({
    ...key,
    outcome,
    score: makeScore(outcome.nll, outcome.targets),
  }));
  return { scores, tokens };
}

/** Macro and weighted means of each kind of score, over the clients that have it. */
export function summarise(round: number, split: EvalSplit, perClient: readonly Scores[]): Evaluation {
  const macro: Record<string, { nll: number; ppl: number }> = {};
  const weighted: Record<string, { nll: number; ppl: number }> = {};
  for (const which of WHICH) {
    const scores = perClient.map((scores) => scores[which]).filter((score) => score !== undefined);
    if (scores.length === 0) continue;
    macro[which] = macroScore(scores);
    weighted[which] = weightedScore(scores);
  }
  return { round, split, macro, weighted };
}

/** Scores by client, for one split. */
export function scoresByClient(
  clients: readonly RunClient[],
  scores: readonly ClientScore[],
  split: EvalSplit,
): Map<string, Scores> {
  const byClient = new Map<string, Scores>(clients.map(({ id }) => [id, {}]));
  for (const { client, which, split: of, score } of scores) if (of === split) byClient.get(client)![which] = score;
  return byClient;
}
