import { extent } from '../../extent.js';
import { shown } from '../../text.js';
import { html, type Markup, trusted } from '../escape.js';
import { type Frame, makeScale, svg, ticksOf, wantsLog, xAxis } from './axes.js';
import { markerPath } from './line.js';

/** One value on a row. */
export interface Dot {
  readonly label: string;
  readonly color: string;
  readonly marker: number;
  readonly value: number;
  /** Drawn with a ring around it. */
  readonly chosen: boolean;
}

export interface DotRow {
  readonly label: string;
  readonly dots: readonly Dot[];
}

const ROW = 24;

/** A row of values each, on one level axis: how far apart they are, and which is best. */
export function dotChart(title: string, rows: readonly DotRow[], format: (value: number) => string): Markup {
  const frame: Frame = { width: 440, height: rows.length * ROW + 46, left: 124, right: 16, top: 8, bottom: 36 };
  const values = rows.flatMap(({ dots }) => dots.map(({ value }) => value)).filter(Number.isFinite);
  const log = wantsLog(values);
  const x = makeScale(values, [frame.left, frame.width - frame.right], { log, zero: true });
  const ticks = ticksOf(x, log, 5);
  const grid = ticks.map(
    (tick) =>
      html`<line class="grid" x1="${x(tick).toFixed(1)}" x2="${x(tick).toFixed(1)}" y1="${frame.top}" y2="${frame.height - frame.bottom}"/>`,
  );
  const drawn = rows.map(({ label, dots }, i) => {
    const y = frame.top + (i + 0.5) * ROW;
    const drawable = dots.filter(({ value }) => Number.isFinite(value));
    const [left, right] = extent(drawable.map(({ value }) => x(value)));
    return html`<text x="${frame.left - 10}" y="${y}" dy="0.32em" text-anchor="end"><title>${label}</title>${shown(label, 19)}</text>${
      drawable.length > 1 &&
      html`<line class="link" x1="${left.toFixed(1)}" x2="${right.toFixed(1)}" y1="${y}" y2="${y}"/>`
    }${drawable.map(
      (dot) =>
        html`<g class="${dot.color}" transform="translate(${x(dot.value).toFixed(1)},${y})"><title>${label}, ${dot.label}: ${format(dot.value)}${dot.chosen ? ', taken home' : ''}</title><circle class="hit" r="9"/>${
          dot.chosen && html`<circle class="ring" r="8"/>`
        }<path class="mark" d="${trusted(markerPath(dot.marker, 44))}"/></g>`,
    )}`;
  });
  return svg(
    frame,
    title,
    html`${grid}${xAxis(x, ticks, frame, log ? 'perplexity, logarithmic' : 'perplexity', format)}${drawn}`,
  );
}
