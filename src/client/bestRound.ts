import { type Part, packPart, unpackPart } from '../adapter/part.js';
import type { KeptRounds } from '../contracts/evaluation.js';
import type { NllSums } from '../contracts/messages.js';
import { isLower, scoreOf } from '../contracts/score.js';
import type { OwnAdapters } from './candidates.js';
import type { OpenOwner } from './openOwner.js';

/** An owner's own adapters; which round of the shared one is best, the server says. */
const OWN = ['local', 'personalized'] as const;

interface BestRound {
  readonly round: number;
  /** On the owner's validation examples. */
  readonly nll: number;
  readonly adapter: Part;
  /** What of it may train further. */
  readonly trainable?: Uint8Array;
}
type BestRounds = Partial<Record<(typeof OWN)[number], BestRound>>;

/** The best rounds as they were known after the last evaluation up to a round, and which that was. */
function bestUpTo(
  { best }: OpenOwner,
  round: number,
): { readonly turn: number | undefined; readonly rounds: BestRounds } {
  const turn = best.turns().findLast((known) => known <= round);
  return { turn, rounds: turn === undefined ? {} : (best.load(turn) as BestRounds) };
}

/**
 * Keeps those of an owner's own adapters whose loss on validation is the lowest so far, after the evaluation of a round. What was known
 * after the one before stays beside it, so that a round that is done again ends the same.
 */
export function keepBest(owner: OpenOwner, round: number, adapters: OwnAdapters, sums: NllSums): void {
  const before = bestUpTo(owner, round - 1);
  const rounds: BestRounds = { ...before.rounds };
  for (const which of OWN) {
    const [adapter, sum] = [adapters[which], sums[which]];
    if (adapter === undefined || sum === undefined) continue;
    const { nll } = scoreOf(sum);
    if (!isLower(nll, rounds[which]?.nll)) continue;
    const { trainable } = adapters;
    rounds[which] = {
      ...{ round, nll, adapter: packPart(adapter, { mask: 'element' }) },
      ...(trainable === undefined ? {} : { trainable }),
    };
  }
  owner.best.save(round, rounds);
  owner.best.keepOnly([...(before.turn === undefined ? [] : [before.turn]), round]);
}

/** What an owner has after a round, its own adapters being those of their best rounds; where none is known, as they are. */
export function withBest(
  owner: OpenOwner,
  round: number,
  adapters: OwnAdapters,
): { readonly adapters: OwnAdapters; readonly rounds: KeptRounds } {
  const { rounds } = bestUpTo(owner, round);
  const { layout } = owner.setup;
  const own = OWN.flatMap((which) => (rounds[which] ? [[which, rounds[which]] as const] : []));
  const trainable = rounds.personalized?.trainable;
  return {
    adapters: {
      ...adapters,
      ...Object.fromEntries(own.map(([which, { adapter }]) => [which, unpackPart(adapter, layout)])),
      ...(trainable === undefined ? {} : { trainable }),
    },
    rounds: Object.fromEntries(own.map(([which, one]) => [which, one.round])),
  };
}
