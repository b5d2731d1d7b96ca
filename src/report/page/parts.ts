import { isChartThinned } from '../chart/line.js';
import { html, type Markup, trusted } from '../escape.js';

/** Owners in a table. */
export const MAX_ROWS = 2000;

/** Says that a table does not have all, where that is so. */
export function shownOf(shown: number, all: number): string {
  return all > shown ? ` The first ${shown} of ${all} owners.` : '';
}

/** Says that a chart of so many points draws some of them only, where that is so. */
export function thinned(points: number, small = false): string {
  if (!isChartThinned(points, small)) return '';
  return (
    ` Of long curves every column of the picture shows its first, lowest, highest and last value; all ${points} of them ` +
    'are in events.jsonl.'
  );
}

export function section(
  id: string,
  title: string,
  intro: string,
  content: readonly (Markup | false | undefined)[],
): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${
    intro !== '' && html`<p class="intro">${intro}</p>`
  }${content}</section>\n`;
}

/** The picture of one owner; the search of the page leaves those of others. */
export function ownerFigure(owner: string, name: string, content: Markup): Markup {
  return html`<figure data-owner="${owner}"><figcaption>${name}</figcaption>${content}</figure>`;
}

export function figure(caption: string, ...content: readonly (Markup | false | undefined)[]): Markup {
  return html`<figure><figcaption>${caption}</figcaption>${content}</figure>`;
}

/** A table that scrolls by itself where it has no room, with the keyboard too. */
export const tableBox = (label: string, table: Markup): Markup =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">${table}</div>`;

export const grid = (...content: readonly (Markup | false | undefined)[]): Markup =>
  html`<div class="grid2">${content}</div>`;

export const multiples = (content: readonly Markup[]): Markup => html`<div class="multiples">${content}</div>`;

/** Longer values than this get a line of their own. */
const LONG_VALUE = 60;

/** Names with what belongs to them. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): Markup {
  return html`<dl class="facts">${rows.map(
    ([name, value]) =>
      html`<div${value.length > LONG_VALUE && trusted(' class="wide"')}><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}
