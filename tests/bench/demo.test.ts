import { describe, expect, it } from 'vitest';

// Plain JavaScript, like the scripts that use it.
const { ownerPerplexities, pairInterval, summary, demoMarkdown } = await import(
  '../../benchmarks/lib/demoTable.mjs' as string
);

/** An owner of two tokens a slice with these perplexities alone and as merged, that takes `home` home. */
const owner = (home: string, local: [number, number], own: [number, number]) => {
  const parts = ([a, b]: [number, number]) => ({ own: [2 * Math.log(a), 2], shared: [2 * Math.log(b), 2] });
  return { home, local: parts(local), personalized: parts(own) };
};

describe('the table of npm start', () => {
  const alone = [{ x: owner('local', [2, 8], [0, 0]), y: owner('local', [4, 4], [0, 0]) }];
  const merged = [{ x: owner('personalized', [2, 8], [3, 3]), y: owner('local', [4, 4], [5, 5]) }];

  it('takes perplexities over both halves, of the adapter that each owner takes home', () => {
    expect(ownerPerplexities(merged[0], 'personalized', ['own', 'shared'])).toEqual([
      expect.closeTo(3, 12),
      expect.closeTo(5, 12),
    ]);
    expect(ownerPerplexities(merged[0], 'home', ['own', 'shared'])).toEqual([
      expect.closeTo(3, 12),
      expect.closeTo(4, 12),
    ]);
    expect(ownerPerplexities(alone[0], 'local', ['shared'])).toEqual([expect.closeTo(8, 12), expect.closeTo(4, 12)]);
  });

  it('gives a pair the t interval of its log ratios over seeds', () => {
    // Logs -0.1, 0, 0.1: standard error 0.1 / sqrt(3), 2 degrees of freedom.
    const interval = pairInterval([Math.exp(-0.1), 1, Math.exp(0.1)], [1, 1, 1]);
    const half = (4.303 * 0.1) / Math.sqrt(3);
    [0, -half, half].forEach((log, i) => {
      expect(interval[i]).toBeCloseTo(Math.exp(log) - 1, 12);
    });
  });

  it('compares means of owners with local by seed, and counts who is better off', () => {
    const row = summary(merged, alone, 'home');
    // Alone: sqrt(2 * 8) = 4 and 4. Taken home: 3 and 4, which is no better.
    expect(row.against).toEqual([expect.closeTo(3.5 / 4 - 1, 12)]);
    expect(row.better).toEqual([1]);
    expect(row.worst).toBeCloseTo(4, 12);
    expect([row.own, row.shared]).toEqual([expect.closeTo(3.5, 12), expect.closeTo(3.5, 12)]);
    const rows = [
      {
        id: 'local',
        choice: { rate: 1e-3, run: 'local, half', tried: [5e-4, 1e-3] },
        ...summary(alone, alone, 'local'),
      },
      { id: 'x', choice: { rate: 1e-2, run: 'x', tried: [1e-2] }, ...row },
    ];
    const text = demoMarkdown({
      cpu: 'c',
      seeds: [1],
      steps: { total: 9, search: 1 },
      missing: ['iid/x/0.01/2'],
      parts: { natural: { rows }, iid: { rows } },
    });
    expect(text).toContain('**Not finished.**');
    expect(text).toContain('Missing: iid/x/0.01/2.');
    expect(text).toContain('| x | 0.01 of 0.01 | 3.50 | 3.50 | 3.50 | 3.50 | 4.00 | -12.5 % | -12.5 % | 1 |');
    expect(text).toContain(
      '| local | 0.001 of 0.0005, 0.001; half the steps | 4.00 | 4.00 | 3.00 | 6.00 | 4.00 | - | - | - |',
    );
  });
});
