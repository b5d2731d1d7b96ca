import { WHICH, type Which } from '../../contracts/evaluation.js';
import { shorten } from '../chart/label.js';
import { legend, lineChart, type Series } from '../chart/line.js';
import { html, type Markup } from '../escape.js';
import { formatBytes, formatSeconds } from '../format.js';
import { ownersOf, type RunRecord } from '../record.js';
import { colorOf, markerOf, short } from './kinds.js';
import { figure, grid, MAX_PICTURES, multiples, section, shownOf } from './parts.js';

type Values = (which: Which) => (number | undefined)[];

/** One line a kind of score; x is where each evaluation stands. */
function seriesOf(values: Values, xs: readonly number[]): Series[] {
  return WHICH.flatMap((which): Series[] => {
    const points = values(which).flatMap((value, i) => (value === undefined ? [] : [[xs[i]!, value] as const]));
    return points.length === 0 ? [] : [{ label: which, color: colorOf(which), marker: markerOf(which), points }];
  });
}

const axis = (value: number): string => short(value);

/** Value after each evaluated round of something that grows with the rounds. */
function atEvaluations({ events }: RunRecord, of: (round: number) => number): number[] {
  return events.evaluation.map(({ round }) => of(round));
}

function macroCharts(record: RunRecord): Markup {
  const { evaluation, round } = record.events;
  const values: Values = (which) => evaluation.map(({ macro }) => macro[which]?.ppl);
  const overRounds = seriesOf(
    values,
    evaluation.map((event) => event.round),
  );
  const sent = (upTo: number) =>
    round.filter((event) => event.round <= upTo).reduce((sum, event) => sum + event.bytes_up + event.bytes_down, 0);
  const clock = (upTo: number) => round.findLast((event) => event.round <= upTo)?.virtual_seconds ?? 0;
  const timed = round.some(({ virtual_seconds: seconds }) => seconds !== undefined);
  const chart = (title: string, xLabel: string, series: Series[], formatX?: (x: number) => string) =>
    figure(title, lineChart({ title, xLabel, series, format: axis, ...(formatX ? { formatX } : {}) }));
  return html`${grid(
    chart('Over the rounds', 'round', overRounds),
    timed
      ? chart('Over simulated time', 'simulated time', seriesOf(values, atEvaluations(record, clock)), formatSeconds)
      : chart('Over traffic, up and down', 'sent', seriesOf(values, atEvaluations(record, sent)), formatBytes),
  )}${legend(overRounds)}`;
}

function ownerCharts(record: RunRecord): Markup {
  const { evaluation } = record.events;
  const owners = ownersOf(record);
  const shown = owners.slice(0, MAX_PICTURES);
  const scoreOf = (owner: string, which: Which) => evaluation.map(({ clients }) => clients[owner]?.[which]?.ppl);
  const all = shown
    .flatMap((owner) => WHICH.flatMap((which) => scoreOf(owner, which)))
    .filter((value) => value !== undefined);
  const xs = evaluation.map(({ round }) => round);
  return html`<h3>Every owner, on one scale</h3>${shownOf(shown.length, owners.length) && html`<p class="intro">${shownOf(shown.length, owners.length)}</p>`}${multiples(
    shown.map((owner) =>
      figure(
        shorten(owner, 48),
        lineChart({
          title: `Perplexity of ${owner} over the rounds`,
          xLabel: 'round',
          series: seriesOf((which) => scoreOf(owner, which), xs),
          format: axis,
          alsoY: all,
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
    `Perplexity on the owners’ own ${split} examples; the curves are means over the owners that have such a score.`,
    [macroCharts(record), ownerCharts(record)],
  );
}
