import { describe, expect, it } from 'vitest';
import { DataTally, describeSummary, loadExamples, mergeSummaries } from '../../../src/data/index.js';
import { chatml } from '../../../src/data/templates/builtin.js';
import { tokenizeExamples } from '../../../src/data/tokenize.js';
import { charTokenizer } from './charTokenizer.js';
import { useFolder } from './files.js';

const { put } = useFolder();
const row = (instruction: string, more: object = {}) => JSON.stringify({ instruction, output: 'x', ...more });

describe('the summary of a data set', () => {
  it('is plain data that says what became of every row', async () => {
    const text = [
      row('one', { id: 1 }),
      'broken',
      row('two', { output: '' }),
      row('three', { output: '' }),
      row('four'),
    ].join('\n');
    const { summary } = await loadExamples(put('a.jsonl', text));
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
    expect(summary).toMatchObject({ files: 1, rows: 5, bad: 3, unusedColumns: { id: 1 } });
    expect(summary.reasons).toEqual([
      { reason: '"output" is empty', count: 2, first: 'a.jsonl:3' },
      { reason: expect.stringContaining('no valid JSON'), count: 1, first: 'a.jsonl:2' },
    ]);
    expect(describeSummary(summary)).toEqual([
      '3 rows of 5 could not be used',
      '  2 times, first a.jsonl:3: "output" is empty',
      expect.stringMatching(/^ {2}a\.jsonl:2: no valid JSON/),
      'unused columns: id',
    ]);
  });

  it('of tokenising says what was cut, dropped and refused', () => {
    const tally = new DataTally();
    const of = (id: string, output: string) => ({ id, instruction: 'a', input: '', output });
    tokenizeExamples([of('a:1', 'b'), of('a:2', 'b'.repeat(90)), of('a:3', '<|im_end|>')], {
      tokenizer: charTokenizer(),
      template: chatml,
      seqLength: 60,
      onLong: 'truncate',
      onResult: (example, result) => tally.tokenized(example, result),
    });
    const summary = tally.summary();
    expect(summary).toMatchObject({ tokenized: 3, cut: 1, targets: 2 + 91 + 11, controlAsText: 1 });
    expect(summary.targetsLost).toBeGreaterThan(50);
    expect(describeSummary(summary, 60)[0]).toMatch(
      /^1 of 3 examples were cut at 60 tokens: \d+ % of the target tokens are lost$/,
    );
  });

  it('counts what is held out as well, and shows texts of the data as text', () => {
    const tally = new DataTally();
    tally.repeated({ id: 'a.jsonl:7' });
    tally.bad({ file: 'b\u001b[2J', line: 1, reason: `role "\u001b[31m${'w'.repeat(300)}" is not known` });
    tally.unused(['x\u0007']);
    expect(tally.summary().repeated).toBe(1);
    const lines = describeSummary(tally.summary());
    expect(lines.join('\n')).toMatch(/1 example for training were left out|a\.jsonl:7: it is among/);
    expect(lines.join('')).not.toMatch(/\p{Cc}/u);
    for (const line of lines) expect(line.length).toBeLessThan(300);
  });

  it('adds up over owners', () => {
    const [a, b] = [new DataTally(), new DataTally()];
    a.bad({ file: 'a', line: 1, reason: 'over 12' });
    a.unused(['x']);
    b.bad({ file: 'b', line: 2, reason: 'over 13' });
    b.unused(['x', 'y']);
    const sum = mergeSummaries([a.summary(), b.summary()]);
    expect(sum).toMatchObject({ bad: 2, unusedColumns: { x: 2, y: 1 } });
    expect(sum.reasons).toEqual([{ reason: 'over 12', count: 2, first: 'a:1' }]);
  });

  it('does not grow with the number of reasons or columns', () => {
    const tally = new DataTally();
    for (let i = 0; i < 1000; i++)
      tally.bad({ file: 'a', line: i, reason: `reason ${String.fromCodePoint(0x4e00 + i)}` });
    for (let i = 0; i < 1000; i++) tally.unused([`column ${i}`]);
    const { reasons, bad, unusedColumns } = tally.summary();
    expect(bad).toBe(1000);
    expect(Object.keys(unusedColumns).length).toBeLessThanOrEqual(201);
    expect(Object.values(unusedColumns).reduce((sum, count) => sum + count, 0)).toBe(1000);
    expect(reasons.length).toBeLessThanOrEqual(51);
    expect(reasons.reduce((sum, { count }) => sum + count, 0)).toBe(1000);
  });
});
