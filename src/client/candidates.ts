import type { Adapter } from '../adapter/layout.js';
import { unpackPart } from '../adapter/part.js';
import { type EvalSplit, WHICH, type Which } from '../contracts/evaluation.js';
import type { NllSums, Scored, ScoreRequest } from '../contracts/messages.js';
import { sumScores } from '../contracts/score.js';
import type { ClientAdapters, Sending } from '../methods/method.js';
import { keepBest } from './bestRound.js';
import { examplesOf } from './examples.js';
import { loadTurn, type OpenOwner } from './openOwner.js';
import { countTargets, countTokens, type ExampleScores, scoreExamples } from './score.js';
import { BASE, digestOf } from './scoreMemory.js';

/** The adapters of an owner that can be scored, by what they are; `base` is null. */
export type Candidates = Partial<Record<Which, Adapter | null>>;

const NOTHING: Sending = { parts: {}, note: null };

/** What an owner has: what the method and the local training beside it give, and its own of its last round. */
export interface OwnAdapters extends ClientAdapters {
  /** As its own training left it, before any merge; absent before its first round. */
  readonly unmerged?: Adapter;
}

/** What the owner has now. */
export function adaptersOf(owner: OpenOwner, request: Pick<ScoreRequest, 'states' | 'parts' | 'note'>): OwnAdapters {
  const { client, states, setup } = owner;
  const { main, local } = setup.arms;
  const kept = loadTurn(states.main, request.states.main);
  const own = main.half.adapters(request, kept.state, client);
  const alone =
    own.local !== undefined || local === undefined
      ? {}
      : local.half.adapters(NOTHING, loadTurn(states.local, request.states.local).state, client);
  return { ...own, ...alone, ...(kept.unmerged ? { unmerged: unpackPart(kept.unmerged, setup.layout) } : {}) };
}

/** The same with the bare base. */
export function candidatesOf({ local, global, personalized, unmerged }: OwnAdapters): Candidates {
  return {
    base: null,
    ...(local ? { local } : {}),
    ...(global ? { global } : {}),
    ...(personalized ? { personalized } : {}),
    ...(unmerged ? { unmerged } : {}),
  };
}

/** Scores of candidates on one split, example by example. */
export interface SplitScores {
  readonly perExample: Readonly<Partial<Record<Which, ExampleScores>>>;
  readonly sums: NllSums;
  /** Tokens of the examples, once for each adapter that was asked for, whether its scores were known or not. */
  readonly tokens: number;
}

/**
 * Scores those candidates that are wanted and exist; nothing where the split is empty. What was scored on this split before (the
 * base at any time, an adapter of the last time) is not computed again.
 */
export function scoreCandidates(
  { setup, examples, scored }: OpenOwner,
  candidates: Candidates,
  split: EvalSplit,
  wanted: readonly Which[] = WHICH,
): SplitScores {
  const list = examplesOf(examples, split);
  const asked = WHICH.filter((which) => candidates[which] !== undefined && wanted.includes(which));
  if (list.count === 0 || asked.length === 0) return { perExample: {}, sums: {}, tokens: 0 };
  const before = scored.load(split);
  const now = new Map([...before].filter(([digest]) => digest === BASE));
  const byAdapter = new Map<Adapter | null, Float64Array>();
  for (const adapter of new Set(asked.map((which) => candidates[which]!))) {
    const digest = digestOf(adapter);
    const nll = now.get(digest) ?? before.get(digest) ?? scoreExamples(adapter, list, setup.engine.env, setup.layout);
    now.set(digest, nll);
    byAdapter.set(adapter, nll);
  }
  if ([...now.keys()].some((digest) => !before.has(digest))) scored.save(split, now);
  const targets = countTargets(list);
  const perExample = Object.fromEntries(
    asked.map((which) => [which, { nll: byAdapter.get(candidates[which]!)!, targets }]),
  ) as SplitScores['perExample'];
  const sums = Object.fromEntries(asked.map((which) => [which, sumScores(perExample[which]!.nll, targets)])) as NllSums;
  return { perExample, sums, tokens: byAdapter.size * countTokens(list) };
}

/** Scores what the request names; the scores of single examples stay here. */
export function scoreOwner(owner: OpenOwner, request: ScoreRequest): Scored {
  owner.throwIfStopped();
  const { round, split, which: asked } = request;
  const adapters = asked.some((which) => which !== 'base') ? adaptersOf(owner, request) : {};
  const { sums, tokens } = scoreCandidates(owner, candidatesOf(adapters), split, asked);
  if (owner.setup.config.keep !== 'last' && split === 'valid' && round > 0) {
    owner.throwIfStopped();
    keepBest(owner, round, adapters, sums);
  }
  return { kind: 'scored', scores: sums, tokens };
}
