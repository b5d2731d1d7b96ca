/**
 * Places 0 .. n - 1 in `count` groups (average linkage): the two groups of the highest mean likeness become one, until no more are
 * left than wanted. Groups and places in them are in order; of equal likenesses the first counts.
 */
export function groupByLikeness(likeness: (i: number, j: number) => number, n: number, count: number): number[][] {
  const groups = Array.from({ length: n }, (_, i) => [i]);
  /** Likeness of all pairs of members of two groups, added up. */
  const sums = groups.map((_, i) => groups.map((_g, j) => likeness(i, j)));
  while (groups.length > Math.max(1, count)) {
    let [best, into, from] = [Number.NEGATIVE_INFINITY, 0, 1];
    for (let a = 0; a < groups.length; a++) {
      for (let b = a + 1; b < groups.length; b++) {
        const mean = sums[a]![b]! / (groups[a]!.length * groups[b]!.length);
        if (mean > best) [best, into, from] = [mean, a, b];
      }
    }
    for (const member of groups[from]!) groups[into]!.push(member);
    for (const [a, row] of sums.entries()) row[into]! += a === into ? 0 : row[from]!;
    for (const [b, sum] of sums[from]!.entries()) if (b !== into) sums[into]![b] = sums[into]![b]! + sum;
    groups.splice(from, 1);
    sums.splice(from, 1);
    for (const row of sums) row.splice(from, 1);
  }
  return groups.map((group) => group.sort((a, b) => a - b)).sort((a, b) => a[0]! - b[0]!);
}
