import { extent } from '../../extent.js';
import { shown } from '../../text.js';
import { html, type Markup } from '../escape.js';
import type { RunRecord } from '../record.js';
import { percent, ppl } from './kinds.js';
import { MAX_ROWS, section, tableBox } from './parts.js';
import { pictured } from './pictured.js';

type Results = NonNullable<NonNullable<RunRecord['evaluation']>['data']>['results'];

/** On the examples of how many owners their own adapter is better than the mean of the others’. */
function ownIsBetter(results: Results, owners: readonly string[]): string {
  const better = owners.filter((owner) => {
    const on = (name: string) => results.find((result) => result.name === name)?.owners[owner]?.ppl.value ?? Number.NaN;
    const others = owners.filter((other) => other !== owner).map(on);
    return on(owner) < others.reduce((sum, value) => sum + value, 0) / others.length;
  });
  return `On the examples of ${better.length} of ${owners.length} owners their own adapter is better than the others’ are in the mean.`;
}

/** Everybody's adapter on everybody's test examples. */
export function crossSection(record: RunRecord): Markup | undefined {
  const { evaluation } = record;
  if (evaluation?.data === undefined) return undefined;
  const { results } = evaluation.data;
  const all = Object.keys(results[0]?.owners ?? {});
  const { items: owners, note, missing } = pictured(record, all, (id) => id);
  const columns = results.filter(({ name }) => !all.includes(name) || owners.includes(name));
  const row = (owner: string): Markup => {
    const values = columns.map((result) => result.owners[owner]?.ppl.value);
    const [best] = extent(values.filter((value) => value !== undefined).filter(Number.isFinite));
    const cells = values.map((value, i) => {
      const own = columns[i]!.name === owner;
      return html`<td class="${own ? 'home k-personalized' : ''}${value === best ? ' best' : ''}">${ppl(value)}</td>`;
    });
    return html`<tr><th scope="row" title="${owner}">${shown(owner, 48)}</th>${cells}</tr>`;
  };
  const heads = columns.map(({ name }) => html`<th scope="col" title="${name}">${shown(name, 24)}</th>`);
  const intro =
    'Perplexity on the test examples of an owner (a row) under what an owner takes home (a column), scored on this machine after the run; ' +
    `an owner’s own adapter is in colour, the lowest of a row bold. ${ownIsBetter(results, all)}${note}`;
  return section('cross', 'Everybody’s adapter on everybody’s examples', intro, [
    missing,
    tableBox(
      'Adapters against owners',
      html`<table><thead><tr><th scope="col">examples of</th>${heads}</tr></thead><tbody>${owners.map(row)}</tbody></table>`,
    ),
  ]);
}

/** General text before and after. */
export function forgettingSection({ evaluation }: RunRecord): Markup | undefined {
  if (evaluation?.text === undefined) return undefined;
  const { results } = evaluation.text;
  const rows = results
    .slice(0, MAX_ROWS)
    .map(
      ({ name, all, against_base: change }) =>
        html`<tr><th scope="row" title="${name}">${shown(name, 48)}</th><td>${ppl(all.ppl.value)}</td><td>${change ? percent(change.value) : ''}</td><td>${
          change ? `${percent(change.low)} to ${percent(change.high)}` : ''
        }</td></tr>`,
    );
  const intro =
    'Perplexity on a text that nobody trained on, before (base) and after: where it rises, an adapter has forgotten some of what the base knew.' +
    ' The interval is that of a bootstrap over windows of the text (95 %).';
  return section('forgetting', 'What was forgotten', intro, [
    tableBox(
      'Perplexity on a general text',
      html`<table><thead><tr><th scope="col">adapter</th><th scope="col">perplexity</th><th scope="col">against base</th><th scope="col">95 % interval</th></tr></thead><tbody>${rows}</tbody></table>`,
    ),
  ]);
}
