import { maxOf } from '../../extent.js';
import { shown } from '../../text.js';
import { html, type Markup } from '../escape.js';
import { type Frame, makeScale, svg, xAxis } from './axes.js';
import type { BarPart } from './bars.js';

export interface TimelineRow {
  readonly label: string;
  /** State of every round from 1 on, as a number of `states`. */
  readonly rounds: readonly number[];
}

const ROW = 20;

/** More rounds than this are drawn in stretches, and a row of more stretches than this as one shape a state. */
const MAX_ROUNDS = 40;
const MAX_STRETCHES = 80;
/** Of more rounds than this, what was so in most of each column's is drawn: two columns a unit of the picture. */
const MAX_COLUMNS = 600;

/** Whether a timeline of so many rounds shows columns of several. */
export const hasColumns = (rounds: number): boolean => rounds > MAX_COLUMNS;

interface Stretch {
  readonly state: number;
  /** Rounds before it, and with it. */
  readonly from: number;
  readonly to: number;
}

/** The state of most rounds from `from` to `to`; of equally many the first. */
function usual(rounds: readonly number[], from: number, to: number): number {
  const counts: number[] = [];
  for (let i = from; i < to; i++) counts[rounds[i]!] = (counts[rounds[i]!] ?? 0) + 1;
  return counts.indexOf(maxOf(counts.filter(Number.isFinite), 0));
}

/** Rounds in equal columns of one round each, or of as many as the picture has room for. */
function columnsOf(rounds: readonly number[]): Stretch[] {
  const count = Math.min(rounds.length, MAX_COLUMNS);
  return Array.from({ length: count }, (_, column) => {
    const from = Math.floor((column * rounds.length) / count);
    const to = Math.floor(((column + 1) * rounds.length) / count);
    return { state: usual(rounds, from, to), from, to };
  });
}

/** Equal neighbours as one: a thousand rounds are a few rectangles. */
function joined(stretches: readonly Stretch[]): Stretch[] {
  const found: Stretch[] = [];
  for (const stretch of stretches) {
    const last = found.at(-1);
    if (last?.state === stretch.state) found[found.length - 1] = { ...last, to: stretch.to };
    else found.push(stretch);
  }
  return found;
}

interface Row {
  readonly label: string;
  readonly top: number;
  readonly rounds: readonly number[];
  /** Where the time after so many rounds is. */
  readonly x: (rounds: number) => number;
  readonly gap: number;
}

function rectangles({ label, top, x, gap }: Row, found: readonly Stretch[], states: readonly BarPart[]): Markup[] {
  return found.map(({ state, from, to }) => {
    const when = to - from === 1 ? `round ${to}` : `rounds ${from + 1} to ${to}`;
    return html`<rect class="${states[state]!.color}" x="${x(from).toFixed(1)}" y="${top + 2}" width="${(x(to) - x(from) - gap).toFixed(1)}" height="${ROW - 4}" rx="1.5"><title>${label}, ${when}: ${states[state]!.label}</title></rect>`;
  });
}

/** Rounds are narrower than a pixel here; the title says in how many of them it was so. */
function shapes({ label, top, rounds, x }: Row, found: readonly Stretch[], states: readonly BarPart[]): Markup[] {
  return states.flatMap(({ color, label: name }, state) => {
    const own = found.filter((stretch) => stretch.state === state);
    if (own.length === 0) return [];
    const path = own.map(
      ({ from, to }) => `M${x(from).toFixed(1)} ${top + 2}H${x(to).toFixed(1)}v${ROW - 4}H${x(from).toFixed(1)}z`,
    );
    const count = rounds.filter((one) => one === state).length;
    return html`<path class="${color}" d="${path.join('')}"><title>${label}, ${name}: ${count} of ${rounds.length} rounds</title></path>`;
  });
}

/** What every row was doing, round by round. */
export function timeline(title: string, states: readonly BarPart[], rows: readonly TimelineRow[]): Markup {
  const numRounds = maxOf(
    rows.map(({ rounds }) => rounds.length),
    1,
  );
  const frame: Frame = { width: 440, height: rows.length * ROW + 44, left: 124, right: 16, top: 6, bottom: 36 };
  const x = makeScale([0.5, numRounds + 0.5], [frame.left, frame.width - frame.right], { nice: false });
  const gap = numRounds > 80 ? 0 : 1;
  const drawn = rows.map(({ label, rounds }, i) => {
    const row: Row = { label, rounds, gap, top: frame.top + i * ROW, x: (done) => x(done + 0.5) };
    const single = rounds.map((state, at): Stretch => ({ state, from: at, to: at + 1 }));
    const exact = rounds.length > MAX_ROUNDS ? joined(single) : single;
    const done =
      exact.length > MAX_STRETCHES ? shapes(row, joined(columnsOf(rounds)), states) : rectangles(row, exact, states);
    return html`<text x="${frame.left - 10}" y="${row.top + ROW / 2}" dy="0.32em" text-anchor="end"><title>${label}</title>${shown(label, 19)}</text>${done}`;
  });
  const ticks = x.ticks(8).filter((tick) => Number.isInteger(tick) && tick >= 1);
  return svg(frame, title, html`${xAxis(x, ticks, frame, 'round', String)}${drawn}`);
}
