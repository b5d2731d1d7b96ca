/** Edit distance (insertions, deletions, substitutions, swaps of neighbours). */
export function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...new Array<number>(b.length).fill(0)]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  }
  return rows[a.length]![b.length]!;
}

const plainOf = (name: string): string => name.toLowerCase().replaceAll('-', '_');

/** Begins like the name, or is its last word: `batch`, `rounds`. */
const isPart = (plain: string, name: string): boolean =>
  plain.length > 3 && (name.startsWith(plain) || name.endsWith(`_${plain}`));

/** The name nearest to what was written, where one is near enough to be meant. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  const plain = plainOf(written);
  const ranked = names
    .map((name) => ({ name, distance: isPart(plain, plainOf(name)) ? 1 : editDistance(plain, plainOf(name)) }))
    .sort((a, b) => a.distance - b.distance || a.name.length - b.name.length);
  const best = ranked[0];
  return best && best.distance <= Math.max(2, plain.length / 3) ? best.name : undefined;
}
