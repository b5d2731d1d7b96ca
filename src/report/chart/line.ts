import { area, line, symbol, symbolCircle, symbolCross, symbolDiamond, symbolSquare, symbolTriangle } from 'd3-shape';
import { maxOf } from '../../extent.js';
import { html, type Markup, trusted } from '../escape.js';
import { type Frame, makeScale, type Scale, svg, ticksOf, wantsLog, xAxis, yAxis } from './axes.js';
import { isThinned, type Point, type Range, thin, thinBand } from './thin.js';

/** One line of a chart. Colour and marker both tell lines apart, for readers who do not see the colours. */
export interface Series {
  readonly label: string;
  /** Class of src/report/page/style.ts that sets the colour. */
  readonly color: string;
  /** Long ones are drawn through what the picture can show of them; x must not fall. */
  readonly points: readonly Point[];
  /** Shape of the points, by number. @default 0, a circle */
  readonly marker?: number;
  /** Range around the line. */
  readonly band?: readonly Range[];
}

export interface LineChart {
  readonly title: string;
  readonly series: readonly Series[];
  readonly xLabel: string;
  readonly format: (value: number) => string;
  /** @default whole numbers as they are */
  readonly formatX?: (value: number) => string;
  /** Axis that does not start at 0 and grows by factors. @default where values are far apart */
  readonly log?: boolean;
  /** Values that the upright axis must hold besides those drawn, to compare charts. */
  readonly alsoY?: readonly number[];
  readonly alsoX?: readonly number[];
  /** @default false */
  readonly small?: boolean;
}

const FRAME: Frame = { width: 440, height: 240, left: 36, right: 14, top: 10, bottom: 36 };
const SMALL: Frame = { width: 220, height: 130, left: 24, right: 8, top: 8, bottom: 30 };
/** Width of a digit, about. */
const DIGIT = 6.6;
const SHAPES = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolCross];
/** More points than this are a line without markers, and still more without words for each. */
const MAX_MARKERS = { chart: 60, small: 24 };
const MAX_TITLES = 150;

/** The outline of a marker, around 0,0. */
export const markerPath = (marker: number, area = 34): string => symbol(SHAPES[marker % SHAPES.length]!, area)() ?? '';

/** Columns of a picture: of one unit each. */
const columnsOf = ({ left, right, width }: Frame): number => width - left - right;

/** Whether a chart draws a curve of so many points through some of them only. */
export const isChartThinned = (count: number, small = false): boolean =>
  isThinned(count, columnsOf(small ? SMALL : FRAME));

const isFinitePoint = ([x, y]: Point): boolean => Number.isFinite(x) && Number.isFinite(y);

function drawSeries(series: Series, chart: LineChart, x: Scale, y: Scale): Markup {
  const { color, marker = 0, label } = series;
  const columns = columnsOf(chart.small ? SMALL : FRAME);
  const points = thin(series.points, columns);
  const band = series.band && thinBand(series.band, columns);
  const path = line<Point>()
    .defined(isFinitePoint)
    .x(([at]) => x(at))
    .y(([, value]) => y(value))
    .digits(1)(points);
  const range =
    band &&
    area<Range>()
      .defined((at) => at.every(Number.isFinite))
      .x(([at]) => x(at))
      .y0(([, low]) => y(low))
      .y1(([, , high]) => y(high))
      .digits(1)(band);
  const { format, formatX = String } = chart;
  const named = series.points.length > MAX_TITLES ? [] : points.filter(isFinitePoint);
  const marked = series.points.length <= (chart.small ? MAX_MARKERS.small : MAX_MARKERS.chart);
  const mark = marked && html`<path class="mark" d="${trusted(markerPath(marker, chart.small ? 18 : 34))}"/>`;
  return html`<g class="${color}">${range ? html`<path class="band" d="${trusted(range)}"/>` : ''}<path class="line" d="${trusted(path ?? '')}"/>${named.map(
    ([at, value]) =>
      html`<g transform="translate(${x(at).toFixed(1)},${y(value).toFixed(1)})"><title>${label}, ${chart.xLabel} ${formatX(at)}: ${format(value)}</title><circle class="hit" r="${marked ? 9 : 4}"/>${mark}</g>`,
  )}</g>`;
}

const isNumber = (value: number): boolean => Number.isFinite(value);

/** The upright axis with the frame that has room for its numbers. */
function uprightAxis(chart: LineChart): { readonly y: Scale; readonly frame: Frame; readonly drawn: Markup } {
  const { series, alsoY = [], small = false, format } = chart;
  const drawnValues = series.flatMap(({ points, band = [] }) => [
    ...points.map(([, value]) => value),
    ...band.flatMap(([, low, high]) => [low, high]),
  ]);
  const values = [...drawnValues, ...alsoY].filter(isNumber);
  const log = chart.log ?? wantsLog(values);
  const outer = small ? SMALL : FRAME;
  const y = makeScale(values, [outer.height - outer.bottom, outer.top], { log, zero: true });
  const ticks = ticksOf(y, log, small ? 3 : 5);
  const longest = maxOf(
    ticks.map((tick) => format(tick).length),
    0,
  );
  const frame = { ...outer, left: Math.max(outer.left, longest * DIGIT + 10) };
  return { y, frame, drawn: yAxis(y, ticks, frame, format) };
}

/** Lines over a number that grows: rounds, steps, seconds. */
export function lineChart(chart: LineChart): Markup {
  const { series, alsoX = [], small = false, formatX } = chart;
  const { y, frame, drawn } = uprightAxis(chart);
  const xs = [...series.flatMap(({ points }) => points.map(([at]) => at)), ...alsoX].filter(isNumber);
  const x = makeScale(xs, [frame.left, frame.width - frame.right], { nice: false });
  const whole = xs.every(Number.isInteger);
  const ticks = x.ticks(small ? 3 : formatX ? 4 : 7).filter((tick) => !whole || Number.isInteger(tick));
  return svg(
    frame,
    chart.title,
    html`${drawn}${xAxis(x, ticks, frame, chart.xLabel, formatX ?? String)}${series.map((one) => drawSeries(one, chart, x, y))}`,
  );
}

/** Names of the lines. */
export function legend(series: readonly Pick<Series, 'label' | 'color' | 'marker'>[]): Markup {
  return html`<ul class="legend">${series.map(
    ({ label, color, marker = 0 }) =>
      html`<li class="${color}"><svg viewBox="-8 -6 16 12" width="16" height="12" aria-hidden="true"><path class="line" d="M-8 0H8"/><path class="mark" d="${trusted(markerPath(marker))}"/></svg>${label}</li>`,
  )}</ul>`;
}
