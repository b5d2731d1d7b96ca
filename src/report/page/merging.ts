import { lineChart, type Point, type Series } from '../chart/line.js';
import { html, type Markup } from '../escape.js';
import type { RoundEvent, RunRecord } from '../record.js';
import { short } from './kinds.js';
import { figure, multiples, section } from './parts.js';

/** Metrics that have a name a reader understands; others are shown under their own. */
const NAMES: Readonly<Record<string, string>> = {
  aggregationError: 'Aggregation error',
  meanOverlap: 'Mean overlap of the masks',
  branchRank: 'Rank of the frozen branch',
  branchBytes: 'Bytes of the frozen branch',
  'mutation.alpha': 'Mutation strength α_t',
  'mutation.c': 'Share along the step, c',
  'mutation.beta': 'Unbalance of pairs, β_t',
  'mutation.unbalanced': 'Teams that were not whole',
  'mutation.meanAngle': 'Angle of their mean, °',
  'mutation.remainder': 'Mean off the axis',
  'mutation.stepNorm': 'Norm of the global step',
  'mutants.lambda': 'λ of the mutants',
  'mutants.angle': 'Angle of the mutants, °',
  'mutants.norm': 'Norm of the mutants',
};

const INTRO =
  'One number a merge; a band is the range over the mutants. Aggregation error: how far the product of the averaged factors ' +
  'is from the average of the products, relative to that. What the other numbers mean is in docs/methods.md.';

/** Counts that only explain another number. */
const HIDDEN = new Set(['errorModules']);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Values = Map<string, Series>;

function add(values: Values, name: string, point: Point, band?: readonly [number, number]): void {
  const series = values.get(name) ?? { label: NAMES[name] ?? name, color: 'k-loss', points: [], band: [] };
  values.set(name, {
    ...series,
    points: [...series.points, point],
    band: band ? [...(series.band ?? []), [point[0], ...band]] : (series.band ?? []),
  });
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
    add(values, `mutants.${key}`, [round, mean], [Math.min(...numbers), Math.max(...numbers)]);
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

/** What the server measured while merging. */
export function mergingSection({ events }: RunRecord): Markup | undefined {
  const all = [...mergeSeries(events.round).values()].filter(({ points }) =>
    points.some(([, y]) => Number.isFinite(y)),
  );
  const lines = all.filter(({ points }) => points.length > 1);
  const single = all.filter(({ points }) => points.length === 1);
  if (all.length === 0) return undefined;
  const rounds = events.round.map(({ round }) => round);
  return section('merging', 'What the server measured', INTRO, [
    multiples(
      lines.map((series) =>
        figure(
          series.label,
          lineChart({
            title: series.label,
            xLabel: 'round',
            series: [series],
            format: short,
            log: false,
            alsoX: rounds,
            small: true,
          }),
        ),
      ),
    ),
    single.length > 0 &&
      html`<ul class="plain">${single.map(({ label, points }) => html`<li>${label}: ${short(points[0]![1])} (round ${points[0]![0]})</li>`)}</ul>`,
  ]);
}
