import { shown } from '../../text.js';
import { html, type Markup } from '../escape.js';
import { droppedReasons, plural, shareLost } from '../format.js';
import type { RunRecord } from '../record.js';
import { MAX_ROWS, shownOf, tableBox } from './parts.js';

type Partition = NonNullable<RunRecord['partition']>;
type Owner = Partition['clients'][number];

/** Reasons and columns that are listed; partition.json has them all. */
const MAX_LISTED = 8;

/** Undefined where one of the counts is: a sum of the others would pass for the whole. */
const sum = (counts: readonly (number | undefined)[]): number | undefined =>
  counts.reduce<number | undefined>((a, b) => (a === undefined || b === undefined ? undefined : a + b), 0);

const cell = (count: number | undefined): Markup => html`<td>${count ?? '–'}</td>`;

function lostOf(owners: readonly Owner[]): string {
  const lost = sum(owners.map(({ targets_lost }) => targets_lost));
  const used = sum(owners.map(({ targets_used }) => targets_used));
  return lost === undefined || used === undefined ? '–' : shareLost(lost / Math.max(1, lost + used));
}

function figures(owners: readonly Owner[]): readonly Markup[] {
  return [
    cell(sum(owners.map(({ rows }) => rows))),
    cell(sum(owners.map(({ train, valid, test }) => train + valid + test))),
    cell(sum(owners.map(({ dropped }) => dropped))),
    cell(sum(owners.map(({ cut }) => cut))),
    html`<td>${lostOf(owners)}</td>`,
  ];
}

/** What became of the rows of every owner. */
export function rowsTable({ clients }: Partition, config: RunRecord['config']): Markup {
  const withWhy = clients.some(({ dropped, dropped_why }) => dropped > 0 && dropped_why !== undefined);
  const why = ({ dropped_why }: Owner) =>
    withWhy && html`<td class="names">${dropped_why && droppedReasons(dropped_why, config).join(', ')}</td>`;
  const rows = clients
    .slice(0, MAX_ROWS)
    .map(
      (owner) =>
        html`<tr data-owner="${owner.id}"><th scope="row" title="${owner.id}">${shown(owner.id, 48)}</th>${figures([owner])}${why(owner)}</tr>`,
    );
  const table = html`<table><thead><tr><th scope="col">owner</th><th scope="col">rows</th><th scope="col">in use</th><th scope="col">left out</th><th scope="col">cut</th><th scope="col">lost</th>${
    withWhy && html`<th scope="col" class="names">why left out</th>`
  }</tr></thead><tbody>${rows}</tbody><tfoot><tr><th scope="row">all owners</th>${figures(clients)}${
    withWhy && html`<td></td>`
  }</tr></tfoot></table>`;
  return html`<h3>Rows</h3>${tableBox('Rows of every owner', table)}${
    clients.length > MAX_ROWS &&
    html`<p class="intro">${shownOf(MAX_ROWS, clients.length)} The others are in partition.json.</p>`
  }`;
}

const andMore = (all: number, noun: string): string =>
  all > MAX_LISTED ? `and ${plural(all - MAX_LISTED, `more ${noun}`)}, in partition.json` : '';

/** What was left out before the rows came to their owners, and why. Nothing where it was nothing. */
export function readingList({ reading, num_unlabelled, left_out }: Partition): Markup | undefined {
  const { rows, bad, weightless, turnsLeftOut, reasons, unusedColumns } = reading;
  const columns = Object.keys(unusedColumns);
  const small = left_out.map(({ id, train }) => `${shown(id)} (${plural(train, 'training example')})`);
  const listed = (names: readonly string[], noun: string) =>
    [...names.slice(0, MAX_LISTED), ...(names.length > MAX_LISTED ? [andMore(names.length, noun)] : [])].join(', ');
  const lines = [
    bad > 0 && `${bad} of ${plural(rows, 'row')} could not be used`,
    weightless > 0 && `${plural(weightless, 'row')} with weight 0`,
    turnsLeftOut > 0 && `${plural(turnsLeftOut, 'turn')} before a first question or after a last answer`,
    num_unlabelled > 0 && `${plural(num_unlabelled, 'example')} without the label that the partition goes by`,
    small.length > 0 && `too few training examples, not in the run: ${listed(small, 'owner')}`,
    columns.length > 0 &&
      `unused columns: ${listed(
        columns.map((name) => shown(name)),
        'column',
      )}`,
  ].filter((line) => line !== false);
  if (lines.length === 0 && reasons.length === 0) return undefined;
  const why = reasons
    .slice(0, MAX_LISTED)
    .map(
      ({ reason, count, first }) =>
        html`<li><code>${shown(first, 80)}</code>${count > 1 && ` and ${count - 1} more`}: ${shown(reason, 200)}</li>`,
    );
  return html`<h3>Left out before training</h3><ul class="plain">${lines.map((line) => html`<li>${line}</li>`)}${why}${
    reasons.length > MAX_LISTED && html`<li>${andMore(reasons.length, 'reason')}</li>`
  }</ul>`;
}
