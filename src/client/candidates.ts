import type { Adapter } from '../adapter/layout.js';
import { type EvalSplit, WHICH, type Which } from '../contracts/evaluation.js';
import type { NllSum, NllSums, Scored, ScoreRequest } from '../contracts/messages.js';
import { sumScores } from '../contracts/score.js';
import type { ClientAdapters, Sending } from '../methods/method.js';
import { examplesOf } from './examples.js';
import { loadState, type OpenOwner } from './openOwner.js';
import { type ExampleScores, scoreExamples } from './score.js';

/** The adapters of an owner that can be scored, by what they are; `base` is null. */
export type Candidates = Partial<Record<Which, Adapter | null>>;

const NOTHING: Sending = { parts: {}, note: null };

/** What the method and the local training beside it give the owner now. */
export function adaptersOf(owner: OpenOwner, request: Pick<ScoreRequest, 'states' | 'parts' | 'note'>): ClientAdapters {
  const { client, states, setup } = owner;
  const { main, local } = setup.halves;
  const own = main.adapters(request, loadState(states.main, main, request.states.main), client);
  if (own.local !== undefined || local === undefined) return own;
  return { ...own, ...local.adapters(NOTHING, loadState(states.local, local, request.states.local), client) };
}

/** The same with the bare base. */
export function candidatesOf({ local, global, personalized }: ClientAdapters): Candidates {
  return {
    base: null,
    ...(local ? { local } : {}),
    ...(global ? { global } : {}),
    ...(personalized ? { personalized } : {}),
  };
}

/** Scores of candidates on one split, example by example. */
export interface SplitScores {
  readonly perExample: Readonly<Partial<Record<Which, ExampleScores>>>;
  readonly sums: NllSums;
  /** Tokens that passed through the model. */
  readonly tokens: number;
}

/** Scores those candidates that are wanted and exist; nothing where the split is empty. The same adapter is scored once. */
export function scoreCandidates(
  { setup, examples }: OpenOwner,
  candidates: Candidates,
  split: EvalSplit,
  wanted: readonly Which[] = WHICH,
): SplitScores {
  const list = examplesOf(examples, split);
  const perExample: Partial<Record<Which, ExampleScores>> = {};
  const sums: Partial<Record<Which, NllSum>> = {};
  const done = new Map<Adapter | null, ExampleScores>();
  let tokens = 0;
  for (const which of WHICH) {
    const adapter = candidates[which];
    if (adapter === undefined || !wanted.includes(which) || list.count === 0) continue;
    let scores = done.get(adapter);
    if (scores === undefined) {
      scores = scoreExamples(adapter, list, setup.engine.env, setup.layout);
      done.set(adapter, scores);
      tokens += scores.tokens;
    }
    perExample[which] = scores;
    sums[which] = sumScores(scores.nll, scores.targets);
  }
  return { perExample, sums, tokens };
}

/** Scores what the request names; the scores of single examples stay here. */
export function scoreOwner(owner: OpenOwner, request: ScoreRequest): Scored {
  owner.throwIfStopped();
  const needsAdapters = request.which.some((which) => which !== 'base');
  const candidates = needsAdapters ? candidatesOf(adaptersOf(owner, request)) : { base: null };
  const { sums, tokens } = scoreCandidates(owner, candidates, request.split, request.which);
  return { kind: 'scored', scores: sums, tokens };
}
