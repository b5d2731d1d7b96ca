import { WHICH, type Which } from '../../contracts/evaluation.js';
import type { ClientMetrics, RunMetrics } from '../../contracts/metrics.js';
import { extent } from '../../extent.js';
import { shown } from '../../text.js';
import { type DotRow, dotChart } from '../chart/dots.js';
import { legend } from '../chart/line.js';
import { html, type Markup } from '../escape.js';
import type { RunRecord } from '../record.js';
import { colorOf, MEANING, markerOf, ppl } from './kinds.js';
import { figure, grid, MAX_ROWS, section, shownOf, tableBox } from './parts.js';
import { pictured } from './pictured.js';

const kindsOf = ({ clients }: RunMetrics): Which[] => WHICH.filter((which) => clients.some((client) => client[which]));

function dotRow(client: ClientMetrics, kinds: readonly Which[]): DotRow {
  return {
    label: client.id,
    dots: kinds
      .filter((which) => client[which])
      .map((which) => ({
        label: which,
        color: colorOf(which),
        marker: markerOf(which),
        value: client[which]!.ppl,
        chosen: client.take_home.which === which,
      })),
  };
}

function scoreCells(scores: readonly (number | undefined)[]): Markup[] {
  const [best] = extent(scores.filter((score) => score !== undefined).filter(Number.isFinite));
  return scores.map((score) =>
    score === best ? html`<td class="best">${ppl(score)}</td>` : html`<td>${ppl(score)}</td>`,
  );
}

function table(metrics: RunMetrics, kinds: readonly Which[]): Markup {
  const withRound = metrics.clients.some(({ kept }) => kept !== undefined);
  const rows = metrics.clients
    .slice(0, MAX_ROWS)
    .map(
      (client) =>
        html`<tr data-owner="${client.id}"><th scope="row" title="${client.id}">${shown(client.id, 48)}</th><td class="aside">${client.num_train}</td><td class="aside">${client.num_val}</td><td class="aside">${client.num_test}</td>${scoreCells(
          kinds.map((which) => client[which]?.ppl),
        )}<td class="home ${colorOf(client.take_home.which)}">${client.take_home.which}</td>${
          withRound && html`<td>${client.kept?.[client.take_home.which] ?? ''}</td>`
        }</tr>`,
    );
  const means = (name: string, of: RunMetrics['macro']) =>
    html`<tr><th scope="row">${name}</th><td class="aside"></td><td class="aside"></td><td class="aside"></td>${scoreCells(kinds.map((which) => of[which]?.ppl))}<td>${ppl(of.take_home?.ppl)}</td>${withRound && html`<td></td>`}</tr>`;
  return tableBox(
    'Scores of every owner',
    html`<table><thead><tr><th scope="col">owner</th><th scope="col" class="aside">train</th><th scope="col" class="aside">valid</th><th scope="col" class="aside">test</th>${kinds.map(
      (which) => html`<th scope="col">${which}</th>`,
    )}<th scope="col">takes home</th>${withRound && html`<th scope="col">of round</th>`}</tr></thead><tbody>${rows}</tbody><tfoot>${means('mean of owners', metrics.macro)}${means('by tokens', metrics.weighted)}</tfoot></table>`,
  );
}

/** What every owner gets: a picture and the table. */
export function ownersSection(record: RunRecord): Markup | undefined {
  const { metrics } = record;
  if (!metrics) return undefined;
  const kinds = kindsOf(metrics);
  const series = kinds.map((which) => ({
    label: `${which}: ${MEANING[which]}`,
    color: colorOf(which),
    marker: markerOf(which),
  }));
  const { items, note, missing } = pictured(record, metrics.clients, ({ id }) => id);
  const rows = items.map((client) => dotRow(client, kinds));
  const scored = rows.some(({ dots }) => dots.length > 0);
  return section(
    'owners',
    'What every owner gets',
    'Perplexity on the owner’s own test examples; lower is better. The lowest of a row is bold; what an owner takes home is chosen on its validation examples, so that the test examples have no say.',
    [
      scored && missing,
      scored &&
        grid(
          figure(
            `Ringed: taken home.${note}`,
            dotChart('Perplexity of every owner on its own test examples', rows, (value) =>
              ppl(value).replace(/\.0+$/, ''),
            ),
          ),
          legend(series),
        ),
      table(metrics, kinds),
      metrics.clients.length > MAX_ROWS &&
        html`<p class="intro">${shownOf(MAX_ROWS, metrics.clients.length)} The others are in metrics.json.</p>`,
    ],
  );
}
