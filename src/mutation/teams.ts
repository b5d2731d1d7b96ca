import blossom from 'edmonds-blossom';
import { intersectMasks } from '../adapter/masks.js';
import type { Arithmetic } from '../merge/arithmetic.js';
import { jaccardOf } from '../merge/overlap.js';
import { shuffled } from '../random.js';

/** A client that can be mutated. */
export interface MutableClient {
  readonly id: string;
  readonly mask: Uint8Array | null;
}

/** Clients whose raw mutations cancel each other: two of opposite signs, or four over the combinations of A and B. */
export interface Team {
  readonly members: readonly string[];
  /** Entries that all members have; null: all. Only there is anything mutated. */
  readonly mask: Uint8Array | null;
}

/** Jaccard is turned into whole numbers, which the matching algorithm needs to be exact. */
const WEIGHT_SCALE = 1e6;

function joined(members: readonly Team[]): Team {
  return {
    members: members.flatMap((team) => team.members),
    mask: members.reduce<Uint8Array | null>((mask, team) => intersectMasks(mask, team.mask), null),
  };
}

/** Pairs of teams that maximise the sum of mask overlaps (Jaccard), as many pairs as there can be. */
function matched(teams: readonly Team[], arithmetic: Pick<Arithmetic, 'maskOverlaps'>): Team[] {
  const overlap = jaccardOf(
    teams.map(({ mask }) => mask),
    arithmetic,
  );
  const edges: [number, number, number][] = [];
  teams.forEach((_, i) => {
    for (let j = i + 1; j < teams.length; j++) {
      edges.push([i, j, 1 + Math.round(WEIGHT_SCALE * overlap(i, j))]);
    }
  });
  if (edges.length === 0) return [];
  const mates = blossom(edges, true);
  return teams.flatMap((team, i) => (mates[i]! > i ? [joined([team, teams[mates[i]!]!])] : []));
}

function consecutive(teams: readonly Team[]): Team[] {
  return Array.from({ length: Math.floor(teams.length / 2) }, (_, i) => joined([teams[2 * i]!, teams[2 * i + 1]!]));
}

/**
 * Teams of `size` clients: drawn at random where the masks are all ones, else by maximum-weight matching on the overlap of
 * masks (for fours: pairs of pairs). Clients that are left over are in no team.
 */
export function formTeams(
  clients: readonly MutableClient[],
  size: 2 | 4,
  random: () => number,
  arithmetic: Pick<Arithmetic, 'maskOverlaps'>,
): Team[] {
  const singles = shuffled(clients, random).map(({ id, mask }): Team => ({ members: [id], mask }));
  const isDense = clients.every(({ mask }) => mask === null);
  const pair = (teams: readonly Team[]): Team[] => (isDense ? consecutive(teams) : matched(teams, arithmetic));
  const pairs = pair(singles);
  return size === 2 ? pairs : pair(pairs);
}
