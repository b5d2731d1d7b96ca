/**
 * Step-down correction after Holm (1979): p values such that all of them that are at most a level hold together at that level,
 * whatever their dependence. In the order given.
 */
export function holm(values: readonly number[]): number[] {
  const adjusted = values.map(() => 1);
  let least = 0;
  [...values.entries()]
    .sort(([, a], [, b]) => a - b)
    .forEach(([place, value], rank) => {
      least = Math.max(least, Math.min(1, (values.length - rank) * value));
      adjusted[place] = least;
    });
  return adjusted;
}
