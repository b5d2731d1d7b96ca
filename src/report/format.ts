import type { RunConfig } from '../config/schema.js';
import type { DroppedCounts } from '../contracts/messages.js';

/** `3 s`, `2 min 05 s`, `1 h 20 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

/** `812 B`, `3.4 MB`: powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Why examples were left out, with their number: `2 over 256 tokens`; what did not happen is not said. */
export function droppedReasons(
  { long, empty, refused, repeated }: DroppedCounts,
  { on_long, seq_length }: Pick<RunConfig, 'on_long' | 'seq_length'>,
): string[] {
  const reasons: readonly [number, string][] = [
    [long, on_long === 'drop' ? `over ${seq_length} tokens` : `without a target in the first ${seq_length} tokens`],
    [empty, 'without a target'],
    [refused, 'refused by the template'],
    [repeated, 'held out for validation or test as well'],
  ];
  return reasons.filter(([count]) => count > 0).map(([count, why]) => `${count} ${why}`);
}

/** Share of the target tokens that is lost where examples are cut: `12.3 %`, and never 0 where there is any. */
export function shareLost(share: number): string {
  return share > 0 && share < 0.001 ? 'under 0.1 %' : `${(100 * share).toFixed(1)} %`;
}

/** `1 owner`, `8 owners`. */
export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
