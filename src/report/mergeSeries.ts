import { extent } from '../extent.js';
import type { RoundEvent } from './events.js';

/** Counts that only explain another number. */
const HIDDEN = new Set(['errorModules']);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A number over the rounds, and its range where it is a mean. */
export interface MergeSeries {
  readonly points: (readonly [round: number, value: number])[];
  readonly band: (readonly [round: number, low: number, high: number])[];
}

type Values = Map<string, MergeSeries>;

function add(values: Values, name: string, point: readonly [number, number], band?: readonly [number, number]): void {
  const series = values.get(name) ?? { points: [], band: [] };
  series.points.push(point);
  if (band) series.band.push([point[0], ...band]);
  values.set(name, series);
}

function addNumbers(values: Values, prefix: string, round: number, metrics: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(metrics)) {
    if (typeof value === 'number' && !HIDDEN.has(key)) add(values, prefix + key, [round, value]);
  }
}

/** λ, angle and norm of the round's mutants: their mean, and the range. */
function addMutants(values: Values, round: number, mutants: Readonly<Record<string, unknown>>): void {
  const all = Object.values(mutants).filter(isRecord);
  for (const key of ['lambda', 'angle', 'norm']) {
    const numbers = all.map((mutant) => mutant[key]).filter((value) => typeof value === 'number');
    if (numbers.length === 0) continue;
    const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
    add(values, `mutants.${key}`, [round, mean], extent(numbers));
  }
}

/** Every number that the merges reported, by name, over the rounds: a method of the user's own is shown like ours. */
export function mergeSeries(rounds: readonly RoundEvent[]): Values {
  const values: Values = new Map();
  for (const { round, metrics } of rounds) {
    addNumbers(values, '', round, metrics);
    if (!isRecord(metrics.mutation)) continue;
    addNumbers(values, 'mutation.', round, metrics.mutation);
    if (isRecord(metrics.mutation.mutants)) addMutants(values, round, metrics.mutation.mutants);
  }
  return values;
}
