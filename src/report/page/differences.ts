import { html, type Markup } from '../escape.js';
import { type Difference, pairedDifferences } from '../paired.js';
import type { RunRecord } from '../record.js';
import { section } from './parts.js';

const percent = (share: number): string => `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} %`.replace('-', '−');

function verdict({ low, high }: Difference): string {
  if (high < 0) return 'lower';
  return low > 0 ? 'higher' : 'not told apart';
}

const INTRO =
  'Mean perplexity of the owners, one kind of adapter against another on the same test examples. The interval holds 95 % of ' +
  'many draws of the examples (paired bootstrap, within each owner): where 0 is inside, these examples do not tell the two ' +
  'apart. It says nothing about other seeds.';

/** Whether one kind of adapter is better than another, as far as the test examples can tell. */
export function differencesSection({ metrics, scores }: RunRecord): Markup | undefined {
  const found = metrics ? pairedDifferences(scores) : [];
  if (found.length === 0) return undefined;
  const rows = found.map(
    (one) =>
      html`<tr><th scope="row">${one.which} against ${one.against}</th><td>${percent(one.difference)}</td><td>${percent(one.low)} to ${percent(one.high)}</td><td>${verdict(one)}</td><td class="aside">${one.owners}</td><td class="aside">${one.examples}</td></tr>`,
  );
  return section('differences', 'More than chance?', INTRO, [
    html`<div class="scroll" tabindex="0" role="region" aria-label="Differences"><table><thead><tr><th scope="col">compared</th><th scope="col">difference</th><th scope="col">95 % interval</th><th scope="col">perplexity is</th><th scope="col" class="aside">owners</th><th scope="col" class="aside">examples</th></tr></thead><tbody>${rows}</tbody></table></div>`,
  ]);
}
