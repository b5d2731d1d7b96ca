import { lineChart } from '../chart/line.js';
import { html, type Markup } from '../escape.js';
import { type MergeSeries, mergeSeries } from '../mergeSeries.js';
import type { RunRecord } from '../record.js';
import { short } from './kinds.js';
import { figure, multiples, section, thinned } from './parts.js';

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

function chart(name: string, { points, band }: MergeSeries, rounds: readonly number[]): Markup {
  const title = NAMES[name] ?? name;
  return figure(
    title,
    lineChart({
      title,
      xLabel: 'round',
      series: [{ label: title, color: 'k-loss', points, band }],
      format: short,
      log: false,
      alsoX: rounds,
      small: true,
    }),
  );
}

/** What the server measured while merging. */
export function mergingSection({ events }: RunRecord): Markup | undefined {
  const all = [...mergeSeries(events.round)].filter(([, { points }]) => points.some(([, y]) => Number.isFinite(y)));
  if (all.length === 0) return undefined;
  const rounds = events.round.map(({ round }) => round);
  const single = all.filter(([, { points }]) => points.length === 1);
  return section('merging', 'What the server measured', `${INTRO}${thinned(rounds.length, true)}`, [
    multiples(all.filter(([, { points }]) => points.length > 1).map(([name, series]) => chart(name, series, rounds))),
    single.length > 0 &&
      html`<ul class="plain">${single.map(
        ([name, { points }]) => html`<li>${NAMES[name] ?? name}: ${short(points[0]![1])} (round ${points[0]![0]})</li>`,
      )}</ul>`,
  ]);
}
