import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { RunMetrics } from '../../../src/contracts/metrics.js';
import { scoreTable } from '../../../src/report/table.js';

const score = (ppl: number) => ({ nll: Math.log(ppl), ppl, tokens: 10 });
const owner = (id: string, base: number, personalized: number, which: 'base' | 'personalized') => ({
  ...{ id, num_train: 60, num_val: 4, num_test: 5, valid: {}, base: score(base), personalized: score(personalized) },
  take_home: { which, ...score(which === 'base' ? base : personalized) },
});
const means = { base: score(1007.5), personalized: score(8.75), take_home: score(6.25) };
const metrics = {
  clients: [owner('north', 2000, 2.5, 'personalized'), owner('a-long-name', 15, 15.5, 'base')],
  macro: means,
  weighted: means,
} as unknown as RunMetrics;

describe('the table of scores', () => {
  it('lines up without rules, with only the kinds there are', () => {
    expect(scoreTable(metrics).split('\n')).toEqual([
      'owner           train  test    base     own  takes home',
      'north              60     5  2000.0   2.500  own',
      'a-long-name        60     5  15.000  15.500  base',
      'mean of owners               1007.5   8.750  6.250',
      'by tokens                    1007.5   8.750  6.250',
    ]);
  });

  it('marks the best of a row on a terminal, and lines up there too', () => {
    const marked = scoreTable(metrics, true);
    const bold = marked.split('\u001b[1m').slice(1);
    expect(bold.map((text) => Number.parseFloat(text))).toEqual([2.5, 15, 8.75, 8.75]);
    expect(stripVTControlCharacters(marked)).toBe(scoreTable(metrics));
  });
});
