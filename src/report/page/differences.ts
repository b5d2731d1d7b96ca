import { html, type Markup } from '../escape.js';
import { plural } from '../format.js';
import { pairedDifferences } from '../paired.js';
import type { RunRecord } from '../record.js';
import { percent } from './kinds.js';
import { section, tableBox } from './parts.js';

const INTRO =
  'Mean perplexity of the owners under one kind of adapter against what each could have had alone, on the same test examples. The ' +
  'interval holds 95 % of many draws of the examples (paired bootstrap, within each owner); the p value is corrected for the rows of ' +
  'the table together (Holm). Where 0 is inside, or the p value above 0.05, these examples do not tell the two apart. All of it is about ' +
  'this run: another seed may give another answer.';

const TITLE = 'More than chance?';

/** An owner that runs elsewhere keeps the scores of its single examples. */
function withoutScores(missing: number, all: number): string {
  if (missing === 0) return '';
  const file = 'scores of single test examples in the run folder (owners/…/scores.jsonl)';
  return missing === all
    ? `No owner left ${file}, so whether the differences are more than chance is not known here.`
    : `${plural(missing, 'owner')} of ${all} left no ${file} and ${missing === 1 ? 'has' : 'have'} no part in this.`;
}

/** Whether one kind of adapter is better than another, as far as the test examples can tell. */
export function differencesSection({ metrics, scores }: RunRecord): Markup | undefined {
  if (!metrics?.macro.base) return undefined;
  const { owners, missing } = scores;
  const found = pairedDifferences(owners);
  const without = withoutScores(missing.length, missing.length + owners.length);
  if (found.length === 0) return missing.length === 0 ? undefined : section('differences', TITLE, without, []);
  const rows = found.map(
    (one) =>
      html`<tr><th scope="row">${one.which} against ${one.against}</th><td>${percent(one.difference)}</td><td>${percent(one.low)} to ${percent(one.high)}</td><td>${Number(one.corrected.toPrecision(2))}</td><td>${one.verdict}</td><td>${one.better} of ${one.owners}</td><td class="aside">${one.examples}</td></tr>`,
  );
  return section('differences', TITLE, `${INTRO} ${without}`.trim(), [
    tableBox(
      'Differences',
      html`<table><thead><tr><th scope="col">compared</th><th scope="col">difference</th><th scope="col">95 % interval</th><th scope="col">p</th><th scope="col">perplexity is</th><th scope="col">owners better off</th><th scope="col" class="aside">examples</th></tr></thead><tbody>${rows}</tbody></table>`,
    ),
  ]);
}
