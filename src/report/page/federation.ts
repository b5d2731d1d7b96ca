import { deviceOf } from '../../contracts/devices.js';
import { shown } from '../../text.js';
import { type BarPart, swatches } from '../chart/bars.js';
import { legend, lineChart } from '../chart/line.js';
import type { Point } from '../chart/thin.js';
import { hasColumns, timeline } from '../chart/timeline.js';
import { html, type Markup } from '../escape.js';
import type { RoundEvent } from '../events.js';
import { formatBytes, formatSeconds } from '../format.js';
import { ownersOf, type RunRecord } from '../record.js';
import { figure, grid, section, shownOf, tableBox, thinned } from './parts.js';
import { pictured } from './pictured.js';

/** What an owner did in a round, in the order in which the first that holds is taken. */
const STATES: readonly BarPart[] = [
  { label: 'merged', color: 'p-merged' },
  { label: 'merged in a later round than it was sent for', color: 'p-joined' },
  { label: 'late', color: 'p-late' },
  { label: 'dropped out', color: 'p-dropped' },
  { label: 'failed', color: 'p-failed' },
  { label: 'took no part', color: 'p-none' },
];
const NO_PART = STATES.length - 1;
const NOT_MERGED: BarPart = { label: 'no update merged', color: 'p-none' };
/** Failures that are listed. */
const MAX_FAILURES = 50;
/** Owners whose device is named. */
const MAX_DEVICE_OWNERS = 200;

function stateOf(owner: string, round: RoundEvent, failed: ReadonlySet<string>): number {
  const aged = (round.ages[owner] ?? 0) > 0;
  if (round.joined_late.includes(owner) || (aged && round.clients.includes(owner))) return 1;
  if (round.clients.includes(owner)) return 0;
  if (round.late.includes(owner)) return 2;
  if (round.dropped.includes(owner)) return 3;
  return failed.has(`${round.round}/${owner}`) ? 4 : NO_PART;
}

/** Who took part in which round, where not all always did; a method that pools everybody's data has nobody to show. */
function participation(record: RunRecord): Markup | undefined {
  const { round: rounds, client_failed: failures } = record.events;
  const all = ownersOf(record);
  const { items: owners, note, missing } = pictured(record, all, (id) => id);
  const failed = new Set(failures.map(({ round, client }) => `${round}/${client}`));
  const rows = owners.map((label) => ({
    label,
    rounds: rounds.map((round) => stateOf(label, round, failed)),
  }));
  const seen = new Set(rows.flatMap((row) => row.rounds));
  const wasFull = rounds.every(({ clients }) => clients.length === all.length);
  if (seen.size === 1 && seen.has(0) && wasFull)
    return html`<p class="intro">Every owner took part in every round.</p>`;
  if (seen.size === 0 || (seen.size === 1 && seen.has(NO_PART))) return undefined;
  // In asynchronous mode everybody works all the time: an owner is seen where its update comes in.
  const states = record.config.async_buffer === null ? STATES : STATES.with(NO_PART, NOT_MERGED);
  return figure(
    `Who took part, round by round.${note}${hasColumns(rounds.length) ? ' A column is what was so in most of its rounds; resting the pointer on a row tells the count.' : ''}`,
    missing,
    timeline('Who took part in which round', states, rows),
    swatches(states.filter((_, state) => seen.has(state))),
  );
}

function trafficChart(rounds: readonly RoundEvent[]): Markup {
  const cumulative = (of: (round: RoundEvent) => number): Point[] => {
    const points: Point[] = [[0, 0]];
    for (const round of rounds) points.push([round.round, points.at(-1)![1] + of(round)]);
    return points;
  };
  const series = [
    { label: 'up, from the owners', color: 'k-up', marker: 2, points: cumulative((round) => round.bytes_up) },
    { label: 'down, to the owners', color: 'k-down', marker: 1, points: cumulative((round) => round.bytes_down) },
  ];
  return figure(
    'Traffic so far, as a wire would carry it',
    lineChart({ title: 'Cumulative traffic', xLabel: 'round', series, format: formatBytes, log: false }),
    legend(series),
  );
}

function clockChart(rounds: readonly RoundEvent[]): Markup | undefined {
  const points = rounds.flatMap(({ round, virtual_seconds: seconds }): Point[] =>
    seconds === undefined ? [] : [[round, seconds]],
  );
  if (points.length === 0) return undefined;
  return figure(
    'Simulated time so far',
    lineChart({
      title: 'Simulated wall time',
      xLabel: 'round',
      series: [{ label: 'simulated time', color: 'k-loss', points: [[0, 0], ...points] }],
      format: formatSeconds,
      log: false,
    }),
  );
}

function devices(record: RunRecord): Markup | undefined {
  const { config } = record;
  if (config.devices.length === 0) return undefined;
  const all = ownersOf(record);
  const owners = all.slice(0, MAX_DEVICE_OWNERS);
  const rows = config.devices.map((device) => {
    const having = owners.filter((owner) => deviceOf(owner, config)?.name === device.name);
    return html`<tr><th scope="row">${device.name}</th><td>${device.tokens_per_second}</td><td class="aside">${device.upload_mbps}</td><td class="aside">${device.download_mbps}</td><td class="names">${having.map((owner) => shown(owner, 48)).join(', ') || 'nobody'}</td></tr>`;
  });
  return figure(
    `Simulated devices, and who has them.${shownOf(owners.length, all.length)}`,
    tableBox(
      'Simulated devices',
      html`<table><thead><tr><th scope="col">device</th><th scope="col">tokens/s</th><th scope="col" class="aside">Mbit/s up</th><th scope="col" class="aside">down</th><th scope="col" class="names">owners</th></tr></thead><tbody>${rows}</tbody></table>`,
    ),
  );
}

function failureList({ events }: RunRecord): Markup | undefined {
  const failures = events.client_failed;
  if (failures.length === 0) return undefined;
  return html`<h3>Failures</h3><ul class="plain">${failures
    .slice(0, MAX_FAILURES)
    .map(
      ({ round, dispatch, client, code, message }) =>
        html`<li><b>${client}</b>, ${typeof round === 'number' ? `round ${round}` : round}${dispatch !== undefined && ` (job ${dispatch})`}: ${message} <code>${code}</code></li>`,
    )}</ul>${
    failures.length > MAX_FAILURES && html`<p>${failures.length - MAX_FAILURES} more are in events.jsonl.</p>`
  }`;
}

/** What the federation cost, and who was there. */
export function federationSection(record: RunRecord): Markup | undefined {
  const { round: rounds } = record.events;
  if (rounds.length === 0) return undefined;
  return section('federation', 'Traffic, time and who took part', thinned(rounds.length), [
    grid(trafficChart(rounds), clockChart(rounds), participation(record), devices(record)),
    failureList(record),
  ]);
}
