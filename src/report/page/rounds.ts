import { WHICH, type Which } from '../../contracts/evaluation.js';
import { extent } from '../../extent.js';
import { shown } from '../../text.js';
import { legend, lineChart, type Series } from '../chart/line.js';
import { html, type Markup } from '../escape.js';
import { formatBytes, formatSeconds } from '../format.js';
import { ownersOf, type RunRecord } from '../record.js';
import { colorOf, markerOf, ppl, short } from './kinds.js';
import { figure, grid, multiples, ownerFigure, section, tableBox, thinned } from './parts.js';
import { pictured } from './pictured.js';

type Values = (which: Which) => (number | undefined)[];

/** One line a kind of score; x is where each evaluation stands. */
function seriesOf(values: Values, xs: readonly number[]): Series[] {
  return WHICH.flatMap((which): Series[] => {
    const points = values(which).flatMap((value, i) => (value === undefined ? [] : [[xs[i]!, value] as const]));
    return points.length === 0 ? [] : [{ label: which, color: colorOf(which), marker: markerOf(which), points }];
  });
}

const axis = (value: number): string => short(value);

/** What was sent, and the simulated time, after each evaluated round; both grow with the rounds. */
export function costsAtEvaluations({ events }: RunRecord): { readonly bytes: number[]; readonly seconds: number[] } {
  const costs = { bytes: [] as number[], seconds: [] as number[] };
  let [next, bytes, seconds] = [0, 0, 0];
  for (const { round } of events.evaluation) {
    for (; next < events.round.length && events.round[next]!.round <= round; next++) {
      const event = events.round[next]!;
      bytes += event.bytes_up + event.bytes_down;
      seconds = event.virtual_seconds ?? 0;
    }
    costs.bytes.push(bytes);
    costs.seconds.push(seconds);
  }
  return costs;
}

function macroCharts(record: RunRecord): Markup {
  const { evaluation, round } = record.events;
  const values: Values = (which) => evaluation.map(({ macro }) => macro[which]?.ppl);
  const overRounds = seriesOf(
    values,
    evaluation.map((event) => event.round),
  );
  const { bytes, seconds } = costsAtEvaluations(record);
  const timed = round.some(({ virtual_seconds: clock }) => clock !== undefined);
  const chart = (title: string, xLabel: string, series: Series[], formatX?: (x: number) => string) =>
    figure(title, lineChart({ title, xLabel, series, format: axis, ...(formatX ? { formatX } : {}) }));
  return html`${grid(
    chart('Over the rounds', 'round', overRounds),
    timed
      ? chart('Over simulated time', 'simulated time', seriesOf(values, seconds), formatSeconds)
      : chart('Over traffic, up and down', 'sent', seriesOf(values, bytes), formatBytes),
  )}${legend(overRounds)}`;
}

/** The means for those who read numbers, or hear them. */
function meansTable({ events: { evaluation } }: RunRecord): Markup {
  const kinds = WHICH.filter((which) => evaluation.some(({ macro }) => macro[which]));
  const rows = evaluation.map(
    ({ round, macro }) =>
      html`<tr><th scope="row">${round}</th>${kinds.map((which) => html`<td>${ppl(macro[which]?.ppl)}</td>`)}</tr>`,
  );
  const heads = kinds.map((which) => html`<th scope="col">${which}</th>`);
  const table = html`<table><thead><tr><th scope="col">round</th>${heads}</tr></thead><tbody>${rows}</tbody></table>`;
  return html`<details><summary>The means in numbers</summary>${tableBox('Mean perplexity after every round', table)}</details>`;
}

function ownerCharts(record: RunRecord): Markup {
  const { evaluation } = record.events;
  const { items: owners, note, missing } = pictured(record, ownersOf(record), (id) => id);
  const scoreOf = (owner: string, which: Which) => evaluation.map(({ clients }) => clients[owner]?.[which]?.ppl);
  const all = owners
    .flatMap((owner) => WHICH.flatMap((which) => scoreOf(owner, which)))
    .filter((value) => value !== undefined)
    .filter(Number.isFinite);
  const scale = extent(all);
  const xs = evaluation.map(({ round }) => round);
  return html`<h3>Every owner, on one scale</h3>${note !== '' && html`<p class="intro">${note}</p>`}${missing}${multiples(
    owners.map((owner) =>
      ownerFigure(
        owner,
        shown(owner, 48),
        lineChart({
          title: `Perplexity of ${owner} over the rounds`,
          xLabel: 'round',
          series: seriesOf((which) => scoreOf(owner, which), xs),
          format: axis,
          alsoY: scale,
          alsoX: xs,
          small: true,
        }),
      ),
    ),
  )}`;
}

/** Scores over the rounds: the mean of the owners, and each of them. */
export function roundsSection(record: RunRecord): Markup | undefined {
  const { evaluation } = record.events;
  if (evaluation.length < 2) return undefined;
  const split = evaluation.some((event) => event.split === 'valid') ? 'validation' : 'test';
  return section(
    'rounds',
    'How it went, round by round',
    `Perplexity on the owners’ own ${split} examples; the curves are means over the owners that have such a score.${thinned(evaluation.length, true)}`,
    [macroCharts(record), meansTable(record), ownerCharts(record)],
  );
}
