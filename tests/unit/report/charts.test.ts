import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeScale, ticksOf, wantsLog } from '../../../src/report/chart/axes.js';
import { lineChart } from '../../../src/report/chart/line.js';
import { thin, thinBand } from '../../../src/report/chart/thin.js';
import { timeline } from '../../../src/report/chart/timeline.js';
import type { RoundEvent } from '../../../src/report/events.js';
import { mergeSeries } from '../../../src/report/mergeSeries.js';
import { lossCurve } from '../../../src/report/page/training.js';
import { checkWellFormed } from '../../support/markup.js';

describe('axes', () => {
  it('are logarithmic where values are far apart, and never over zero', () => {
    expect(wantsLog([2, 400])).toBe(true);
    expect(wantsLog([2, 10])).toBe(false);
    expect(wantsLog([0, 400])).toBe(false);
  });

  it('have round numbers, few of them', () => {
    expect(ticksOf(makeScale([2.5, 380], [0, 100], { log: true }), true, 5)).toEqual([5, 10, 20, 50, 100, 200]);
    expect(ticksOf(makeScale([1, 1e6], [0, 100], { log: true }), true, 5)).toEqual([1, 100, 1e4, 1e6]);
    expect(ticksOf(makeScale([0, 10], [0, 100]), false, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  });

  it('have room where all values are equal, or there are none', () => {
    expect(makeScale([3, 3], [0, 100])(3)).toBe(0);
    expect(makeScale([], [0, 100])(0.5)).toBe(50);
  });
});

describe('charts', () => {
  const chart = (points: readonly (readonly [number, number])[]) =>
    lineChart({
      title: 't',
      xLabel: 'round',
      series: [{ label: 's', color: 'k-base', points }],
      format: String,
      log: false,
    }).text;

  it('leave a gap where a number is missing', () => {
    const drawn = chart([
      [1, 1],
      [2, Number.NaN],
      [3, 2],
      [4, 3],
    ]);
    checkWellFormed(drawn);
    expect(drawn).not.toContain('NaN');
    expect(drawn.match(/<title>/g)).toHaveLength(3);
    expect(/class="line" d="([^"]*)"/.exec(drawn)![1]!.match(/M/g)).toHaveLength(2);
  });

  it('put a value where its axis says', () => {
    // The axis goes from 0 at the bottom (204) to 10 at the top (10): 5 is half way.
    const drawn = chart([
      [0, 0],
      [1, 5],
      [2, 10],
    ]);
    expect(drawn).toMatch(/translate\([\d.]+,107\.0\)"><title>s, round 1: 5</);
  });

  it('draw equal neighbours of a long timeline as one', () => {
    const states = [
      { label: 'here', color: 'p-merged' },
      { label: 'away', color: 'p-none' },
    ];
    const drawn = timeline('t', states, [
      { label: 'a', rounds: Array.from({ length: 900 }, (_, i) => (i < 300 ? 0 : 1)) },
    ]).text;
    expect([...drawn.matchAll(/<title>(a, [^<]*)</g)].map(([, title]) => title)).toEqual([
      'a, rounds 1 to 300: here',
      'a, rounds 301 to 900: away',
    ]);
  });

  it('say how often a state was where rounds are too many to be told apart', () => {
    const states = [
      { label: 'here', color: 'p-merged' },
      { label: 'away', color: 'p-none' },
    ];
    const rounds = Array.from({ length: 5000 }, (_, i) => (i % 5 === 4 ? 1 : 0));
    const drawn = timeline('t', states, [
      { label: 'a', rounds: rounds.map((state, i) => (i < 2500 ? state : 1 - state)) },
    ]);
    checkWellFormed(drawn.text);
    expect(drawn.text).toContain('a, here: 2500 of 5000 rounds');
    expect(drawn.text.length).toBeLessThan(20_000);
  });

  it('draw long losses as means of neighbours in the band of their range', () => {
    expect(lossCurve([1, 3, 5, 7, 9], 3)).toEqual({
      points: [
        [2, 2],
        [4, 6],
        [5, 9],
      ],
      band: [
        [2, 1, 3],
        [4, 5, 7],
        [5, 9, 9],
      ],
    });
    expect(lossCurve([1, 2], 3)).toEqual({
      points: [
        [1, 1],
        [2, 2],
      ],
      band: [],
    });
  });
});

describe('long curves', () => {
  const curve = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 500, maxLength: 2000 });

  it('keep their ends, their extremes in every stretch and their order, and are as short as the picture', () => {
    fc.assert(
      fc.property(curve, fc.integer({ min: 1, max: 100 }), (values, columns) => {
        const points = values.map((y, x) => [x, y] as const);
        const shown = thin(points, columns);
        expect(shown.length).toBeLessThanOrEqual(4 * columns);
        expect(shown.map(([x]) => x)).toEqual([...shown].map(([x]) => x).sort((a, b) => a - b));
        expect(shown.every(([x, y]) => values[x] === y)).toBe(true);
        expect(shown[0]).toEqual(points[0]);
        expect(shown.at(-1)).toEqual(points.at(-1));
        const ys = shown.map(([, y]) => y);
        expect(Math.min(...ys)).toBe(Math.min(...values));
        expect(Math.max(...ys)).toBe(Math.max(...values));
      }),
    );
  });

  it('stay as they are where the picture can show all of them', () => {
    const points = Array.from({ length: 40 }, (_, x) => [x, x % 7] as const);
    expect(thin(points, 10)).toBe(points);
  });

  it('keep a gap, and the range of a band', () => {
    const points = Array.from({ length: 1000 }, (_, x) => [x, x >= 400 && x < 600 ? Number.NaN : x] as const);
    const gap = thin(points, 10).filter(([, y]) => Number.isNaN(y));
    expect(gap.length).toBeGreaterThan(0);
    const band = points.map(([x]) => [x, x % 10, 100 + (x % 10)] as const);
    const shown = thinBand(band, 10);
    expect(shown).toHaveLength(10);
    expect(shown.every(([, low, high]) => low === 0 && high === 109)).toBe(true);
  });
});

it('takes every number that a merge reports, and mean and range of the mutants', () => {
  const event = (round: number, metrics: Record<string, unknown>) => ({ round, metrics }) as RoundEvent;
  const series = mergeSeries([
    event(1, { mine: 4, errorModules: 35, list: [1], text: 'x' }),
    event(2, { mine: 5, mutation: { alpha: 0.5, mutants: { a: { lambda: 1 }, b: { lambda: 3 } } } }),
  ]);
  expect(Object.fromEntries(series)).toEqual({
    mine: {
      points: [
        [1, 4],
        [2, 5],
      ],
      band: [],
    },
    'mutation.alpha': { points: [[2, 0.5]], band: [] },
    'mutants.lambda': { points: [[2, 2]], band: [[2, 1, 3]] },
  });
});
