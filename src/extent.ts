/**
 * Lowest and highest of any number of numbers, `[Infinity, -Infinity]` of none. Spread into `Math.min` a hundred thousand of
 * them would overflow the stack.
 */
export function extent(values: Iterable<number>): [low: number, high: number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/** The highest of some numbers and `least`. */
export const maxOf = (values: Iterable<number>, least: number): number => Math.max(least, extent(values)[1]);
