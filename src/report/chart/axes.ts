import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3-scale';
import { extent } from '../../extent.js';
import { html, type Markup } from '../escape.js';

export type Scale = ScaleContinuousNumeric<number, number>;

/** A chart's size and what it leaves for its axes, in units of its view box (about pixels). */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Values this many times apart are drawn on a logarithmic axis. */
const LOG_RATIO = 8;
const LOG_STEPS = [1, 2, 5];
const MAX_LOG_TICKS = 7;

/** Whether values want a logarithmic axis. */
export function wantsLog(values: readonly number[]): boolean {
  const [low, high] = extent(values);
  return low > 0 && high / low > LOG_RATIO;
}

function paddedDomain(values: readonly number[], log: boolean, zero: boolean): [number, number] {
  let [low, high] = extent(values);
  if (values.length === 0) return [0, 1];
  if (log) return [low / 1.15, high * 1.15];
  if (zero) low = Math.min(0, low);
  if (low === high) high = low + (Math.abs(low) || 1);
  return [low, high];
}

/** The scale of an axis over `values`; `zero` keeps 0 on a linear one. */
export function makeScale(
  values: readonly number[],
  range: readonly [number, number],
  options: { readonly log?: boolean; readonly zero?: boolean; readonly nice?: boolean } = {},
): Scale {
  const { log = false, zero = false, nice = true } = options;
  const domain = paddedDomain(values, log, zero);
  if (log) return scaleLog().domain(domain).range(range);
  const scale = scaleLinear().domain(domain).range(range);
  return nice ? scale.nice(5) : scale;
}

/** Round numbers on an axis: 1, 2, 5 times powers of ten on a logarithmic one, fewer where those are many. */
export function ticksOf(scale: Scale, log: boolean, count: number): number[] {
  if (!log) return scale.ticks(count);
  const [low, high] = scale.domain() as [number, number];
  const powers = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => 10 ** (Math.floor(Math.log10(low)) + i),
  );
  const inside = (ticks: readonly number[]) => ticks.filter((tick) => tick >= low && tick <= high);
  const fine = inside(powers.flatMap((power) => LOG_STEPS.map((step) => step * power)));
  const all = fine.length <= MAX_LOG_TICKS ? fine : inside(powers);
  const most = Math.max(2, count + 1);
  return all.length <= most ? all : all.filter((_, i) => i % Math.ceil(all.length / most) === 0);
}

/** Lines and numbers of the upright axis. */
export function yAxis(scale: Scale, ticks: readonly number[], frame: Frame, format: (value: number) => string): Markup {
  return html`${ticks.map((tick) => {
    const y = scale(tick).toFixed(1);
    return html`<line class="grid" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${y}" y2="${y}"/><text x="${frame.left - 6}" y="${y}" dy="0.32em" text-anchor="end">${format(tick)}</text>`;
  })}`;
}

/** Numbers of the level axis, and what they count. */
export function xAxis(
  scale: Scale,
  ticks: readonly number[],
  frame: Frame,
  label: string,
  format: (value: number) => string,
): Markup {
  const base = frame.height - frame.bottom;
  return html`<line class="axis" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${base}" y2="${base}"/>${ticks.map(
    (tick) => html`<text x="${scale(tick).toFixed(1)}" y="${base + 16}" text-anchor="middle">${format(tick)}</text>`,
  )}<text x="${(frame.left + frame.width - frame.right) / 2}" y="${frame.height - 3}" text-anchor="middle">${label}</text>`;
}

/** The drawing itself, scaled to the room that it gets. */
export function svg(frame: Pick<Frame, 'width' | 'height'>, title: string, content: Markup): Markup {
  return html`<svg viewBox="0 0 ${frame.width} ${frame.height}" role="img" aria-label="${title}">${content}</svg>`;
}
