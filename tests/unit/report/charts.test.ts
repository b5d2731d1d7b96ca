import { describe, expect, it } from 'vitest';
import { makeScale, ticksOf, wantsLog } from '../../../src/report/chart/axes.js';
import { shorten } from '../../../src/report/chart/label.js';
import { lineChart } from '../../../src/report/chart/line.js';
import { timeline } from '../../../src/report/chart/timeline.js';
import { mergeSeries } from '../../../src/report/merging.js';
import { thin } from '../../../src/report/page/training.js';
import type { RoundEvent } from '../../../src/report/record.js';
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

  it('thin long curves by means', () => {
    expect(thin([1, 3, 5, 7, 9], 3)).toEqual([
      [2, 2],
      [4, 6],
      [5, 9],
    ]);
    expect(thin([1, 2], 3)).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it('cut long names by characters', () => {
    expect(shorten('Åsa😀😀😀', 5)).toBe('Åsa😀…');
    expect(shorten('short', 5)).toBe('short');
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
