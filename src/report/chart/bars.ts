import { shown } from '../../text.js';
import { html, type Markup } from '../escape.js';
import { type Frame, makeScale, svg, xAxis } from './axes.js';

export interface BarRow {
  readonly label: string;
  /** One number a part, in the order of the parts. */
  readonly values: readonly number[];
}

export interface BarPart {
  readonly label: string;
  readonly color: string;
}

const ROW = 22;

/** Level bars of stacked parts, one row a name. */
export function stackedBars(title: string, xLabel: string, parts: readonly BarPart[], rows: readonly BarRow[]): Markup {
  const frame: Frame = { width: 440, height: rows.length * ROW + 44, left: 124, right: 16, top: 6, bottom: 36 };
  const totals = rows.map(({ values }) => values.reduce((a, b) => a + b, 0));
  const x = makeScale([0, ...totals], [frame.left, frame.width - frame.right], { zero: true });
  const drawn = rows.map(({ label, values }, i) => {
    const y = frame.top + i * ROW;
    let from = 0;
    const pieces = values.map((value, p) => {
      const start = x(from);
      from += value;
      // A hair of space between parts, so that like shades do not run into one.
      const width = Math.max(0, x(from) - start - 0.8);
      if (value === 0) return '';
      return html`<rect class="${parts[p]!.color}" x="${start.toFixed(1)}" y="${y + 3}" width="${width.toFixed(1)}" height="${ROW - 6}"><title>${label}, ${parts[p]!.label}: ${value}</title></rect>`;
    });
    return html`<text x="${frame.left - 10}" y="${y + ROW / 2}" dy="0.32em" text-anchor="end"><title>${label}</title>${shown(label, 19)}</text>${pieces}`;
  });
  return svg(frame, title, html`${xAxis(x, x.ticks(5).filter(Number.isInteger), frame, xLabel, String)}${drawn}`);
}

/** What the parts are. */
export function swatches(parts: readonly BarPart[]): Markup {
  return html`<ul class="legend">${parts.map(
    ({ label, color }) =>
      html`<li><svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true"><rect class="${color}" width="12" height="12" rx="2"/></svg>${label}</li>`,
  )}</ul>`;
}
