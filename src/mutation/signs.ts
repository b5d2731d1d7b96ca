import { shuffled } from '../random.js';
import type { SignGroups } from './groups.js';
import type { Team } from './teams.js';

/** Per client, the factor v of each group, at [2 * group + factor] (0: A, 1: B). */
export type SignTable = ReadonlyMap<string, Float64Array>;

/** Which of A and B is on the low side, for each of a team's places. */
const COMBINATIONS = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

/**
 * FedMut's signs: in each group one half of a team gets +1, the other -1 + beta. In a team of two A and B go together; in
 * a team of four each client has another combination of signs of A and B.
 */
export function drawSigns(teams: readonly Team[], groups: SignGroups, beta: number, random: () => number): SignTable {
  const sides = [1, -1 + beta] as const;
  const table = new Map<string, Float64Array>();
  for (const { members } of teams) {
    for (const id of members) table.set(id, new Float64Array(2 * groups.count));
    for (let group = 0; group < groups.count; group++) {
      const combinations = members.length === 4 ? COMBINATIONS : [COMBINATIONS[0], COMBINATIONS[3]];
      shuffled(combinations, random).forEach(([a, b], place) => {
        const signs = table.get(members[place]!)!;
        signs[2 * group] = sides[a];
        signs[2 * group + 1] = sides[b];
      });
    }
  }
  return table;
}
