import { WHICH, type Which } from '../../contracts/evaluation.js';
import { shown } from '../../text.js';
import { legend, lineChart, type Series } from '../chart/line.js';
import type { Point } from '../chart/thin.js';
import type { NamedRun, RunComparison } from '../compareRuns.js';
import { html, type Markup, trusted } from '../escape.js';
import { formatBytes } from '../format.js';
import type { RunRecord } from '../record.js';
import { percent, ppl, short } from './kinds.js';
import { figure, grid, section, tableBox } from './parts.js';
import { costsAtEvaluations } from './rounds.js';
import { STYLE } from './style.js';

/** Colours there are; more runs than these are told apart by their markers. */
const COLORS = 8;

/** What a run is compared by: the most personal that it scored as it went on. */
function kindOf({ events }: RunRecord): Which | undefined {
  const last = events.evaluation.at(-1);
  return WHICH.findLast((which) => which !== 'base' && last?.macro[which] !== undefined);
}

/** A line a run, of those that have points. */
function seriesOf(runs: readonly NamedRun[], points: (record: RunRecord) => readonly Point[]): Series[] {
  return runs.flatMap(({ name, record }, i): Series[] => {
    const drawn = points(record);
    return drawn.length === 0 ? [] : [{ label: name, color: `r-${i % COLORS}`, marker: i, points: drawn }];
  });
}

function scored(record: RunRecord, xs: readonly number[]): Point[] {
  const kind = kindOf(record);
  return record.events.evaluation.flatMap(({ macro }, i): Point[] => {
    const value = (kind && macro[kind]?.ppl) ?? macro.base?.ppl;
    return value === undefined ? [] : [[xs[i]!, value]];
  });
}

function curves(runs: readonly NamedRun[]): Markup {
  const overRounds = seriesOf(runs, (record) =>
    scored(
      record,
      record.events.evaluation.map(({ round }) => round),
    ),
  );
  const overTraffic = seriesOf(runs, (record) => scored(record, costsAtEvaluations(record).bytes));
  const losses = seriesOf(runs, ({ events }) =>
    events.round.flatMap(({ round, loss }): Point[] => (loss === undefined ? [] : [[round, loss]])),
  );
  const chart = (title: string, xLabel: string, series: Series[], formatX?: (x: number) => string) =>
    figure(title, lineChart({ title, xLabel, series, format: short, ...(formatX ? { formatX } : {}) }));
  const intro =
    'Mean perplexity of the owners under the most personal of what each run scored as it went on, on validation examples where it has any, ' +
    'and the mean training loss at the end of each round (nats a target token).';
  return section('curves', 'Round by round', intro, [
    legend(seriesOf(runs, () => [[0, 0]])),
    grid(
      chart('Perplexity over the rounds', 'round', overRounds),
      chart('Perplexity over traffic, up and down', 'sent', overTraffic, formatBytes),
      losses.length > 0 && chart('Training loss over the rounds', 'round', losses),
    ),
  ]);
}

type Row = readonly [head: string, cells: readonly string[]];

function table(label: string, names: readonly string[], rows: readonly Row[]): Markup {
  return tableBox(
    label,
    html`<table><thead><tr><th scope="col">${label}</th>${names.map(
      (name) => html`<th scope="col">${name}</th>`,
    )}</tr></thead><tbody>${rows.map(
      ([head, cells]) => html`<tr><th scope="row">${head}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
    )}</tbody></table>`,
  );
}

/** Finished runs side by side as one HTML file that needs nothing else; names are those of the runs. */
export function comparePage(runs: readonly NamedRun[], comparison: RunComparison): string {
  const names = runs.map(({ name }) => shown(name, 48));
  const { settings, scores, against_first: against } = comparison;
  const set = Object.entries(settings).map(
    ([key, values]): Row => [
      key,
      values.map((value) => shown(typeof value === 'string' ? value : JSON.stringify(value), 60)),
    ],
  );
  const results = Object.entries(scores).map(
    ([which, values]): Row => [which.replace('_', ' '), values.map((value) => ppl(value ?? undefined))],
  );
  const differences: Row[] = [
    ['difference', against.map((one) => (one ? percent(one.difference) : ''))],
    ['95 % interval', against.map((one) => (one ? `${percent(one.low)} to ${percent(one.high)}` : ''))],
    ['owners that gain', against.map((one) => (one ? `${one.better} of ${one.owners}` : ''))],
  ];
  const known = against.some((one) => one !== null);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${runs.length} runs: fedtune compare</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<main>
<header><p class="kicker">fedtune compare</p><h1>${names.join(', ')}</h1></header>
${curves(runs)}${section(
  'scores',
  'What came out',
  'Mean perplexity of the owners on their test examples; lower is better.',
  [table('scored', names, results)],
)}${
  known &&
  section(
    'against',
    'Against the first',
    'What owners take home, on the test examples that both runs scored as the same tokens (paired bootstrap). It tells of these examples, not of other seeds.',
    [table('takes home', names, differences)],
  )
}${section('settings', 'What is set otherwise', set.length > 0 ? '' : 'Nothing.', [set.length > 0 && table('key', names, set)])}</main>
</body>
</html>
`.text;
}
