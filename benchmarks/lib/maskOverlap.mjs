import { mean } from './methodsStats.mjs';

/** Entries of A and of B of every module in the flat vector of an adapter. */
export const factorRanges = ({ modules }) => ({
  A: modules.map(({ offsetA, offsetB }) => [offsetA, offsetB]),
  B: modules.map(({ offsetB, outDim, rank }) => [offsetB, offsetB + outDim * rank]),
});

function countOnes(mask, start, end) {
  let ones = 0;
  for (let p = start; p < end; p++) ones += mask[p];
  return ones;
}

/** Entries that two masks share over those that either has, within the ranges. */
export function overlap(x, y, ranges) {
  let [shared, joint] = [0, 0];
  for (const [start, end] of ranges) {
    for (let p = start; p < end; p++) {
      shared += x[p] & y[p];
      joint += x[p] | y[p];
    }
  }
  return shared / joint;
}

/** The same of masks that keep as many entries of each range, but know nothing of each other. */
export function overlapByChance(x, y, ranges) {
  let [shared, joint] = [0, 0];
  for (const [start, end] of ranges) {
    const [kept, others] = [countOnes(x, start, end), countOnes(y, start, end)];
    const both = (kept * others) / (end - start);
    shared += both;
    joint += kept + others - both;
  }
  return shared / joint;
}

/** How much the masks of two searches have in common: of one owner, of two owners, and by chance. `first`, `second`: by owner. */
export function compareSearches(first, second, ranges) {
  const ids = Object.keys(first);
  const unlike = ids.flatMap((a) => ids.filter((b) => b !== a).map((b) => [a, b]));
  return {
    same_owner: mean(ids.map((id) => overlap(first[id], second[id], ranges))),
    two_owners: mean(unlike.map(([a, b]) => overlap(first[a], second[b], ranges))),
    same_round: mean(unlike.map(([a, b]) => overlap(first[a], first[b], ranges))),
    by_chance: mean(unlike.map(([a, b]) => overlapByChance(first[a], second[b], ranges))),
  };
}
