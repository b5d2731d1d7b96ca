import { html, type Markup } from '../escape.js';
import { type Frame, makeScale, svg, xAxis } from './axes.js';
import type { BarPart } from './bars.js';
import { shorten } from './label.js';

export interface TimelineRow {
  readonly label: string;
  /** State of every round from 1 on, as a number of `states`. */
  readonly rounds: readonly number[];
}

const ROW = 20;

interface Stretch {
  readonly state: number;
  readonly from: number;
  readonly to: number;
}

/** Equal neighbours as one: a thousand rounds are a few rectangles. */
function stretches(rounds: readonly number[]): Stretch[] {
  const found: Stretch[] = [];
  rounds.forEach((state, i) => {
    const last = found.at(-1);
    if (last?.state === state && rounds.length > 40) found[found.length - 1] = { ...last, to: i + 1 };
    else found.push({ state, from: i, to: i + 1 });
  });
  return found;
}

/** What every row was doing, round by round. */
export function timeline(title: string, states: readonly BarPart[], rows: readonly TimelineRow[]): Markup {
  const numRounds = Math.max(1, ...rows.map(({ rounds }) => rounds.length));
  const frame: Frame = { width: 440, height: rows.length * ROW + 44, left: 124, right: 16, top: 6, bottom: 36 };
  const x = makeScale([0.5, numRounds + 0.5], [frame.left, frame.width - frame.right], { nice: false });
  const gap = numRounds > 80 ? 0 : 1;
  const drawn = rows.map(({ label, rounds }, i) => {
    const y = frame.top + i * ROW;
    return html`<text x="${frame.left - 10}" y="${y + ROW / 2}" dy="0.32em" text-anchor="end"><title>${label}</title>${shorten(label, 19)}</text>${stretches(
      rounds,
    ).map(({ state, from, to }) => {
      const left = x(from + 0.5);
      const width = x(to + 0.5) - left - gap;
      const when = to - from === 1 ? `round ${to}` : `rounds ${from + 1} to ${to}`;
      return html`<rect class="${states[state]!.color}" x="${left.toFixed(1)}" y="${y + 2}" width="${width.toFixed(1)}" height="${ROW - 4}" rx="1.5"><title>${label}, ${when}: ${states[state]!.label}</title></rect>`;
    })}`;
  });
  const ticks = x.ticks(8).filter((tick) => Number.isInteger(tick) && tick >= 1);
  return svg(frame, title, html`${xAxis(x, ticks, frame, 'round', String)}${drawn}`);
}
