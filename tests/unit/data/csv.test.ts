import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { loadExamples } from '../../../src/data/index.js';
import { csvRows } from '../../../src/data/rows/csv.js';
import type { RawRow } from '../../../src/data/rows/types.js';
import fc from '../../support/properties.js';
import { useFolder } from './files.js';

const { put } = useFolder();

async function rows(name: string, text: string): Promise<RawRow[]> {
  const found: RawRow[] = [];
  for await (const row of csvRows({ path: put(name, text), encoding: 'utf-8' })) found.push(row);
  return found;
}
const cells = async (name: string, text: string) =>
  (await rows(name, text)).map(({ value }) => (value == null ? undefined : Object.values(value)));

describe('CSV', () => {
  it.each([
    ['a,b\n1,2\n', [['1', '2']]],
    [
      'a,b\r\n1,"x, ""y""\r\nz"\r\n\r\n3,4',
      [
        ['1', 'x, "y"\r\nz'],
        ['3', '4'],
      ],
    ],
    ['\ufeffa,b\n1,2\n', [['1', '2']]],
    // Excel in countries where the comma is in numbers.
    ['a;b\n1,5;2\n', [['1,5', '2']]],
    ['sep=;\na;b\n1;2\n', [['1', '2']]],
    ['a|b\n1|2\n', [['1', '2']]],
    ['"a, b",c\n1,2\n', [['1', '2']]],
    // A quote within a cell that does not begin with one.
    [
      'a,b\nSay "hi".,Hi.\n5" nail,x\n',
      [
        ['Say "hi".', 'Hi.'],
        ['5" nail', 'x'],
      ],
    ],
    // What follows a closing quote.
    [
      'a,b\n"Tis" what?,Short.\n1,2\n',
      [
        ['"Tis" what?', 'Short.'],
        ['1', '2'],
      ],
    ],
  ])('%j', async (text, wanted) => {
    expect(await cells('a.csv', text)).toEqual(wanted);
  });

  it('a quote that never closes costs no other row, and is told', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => `q${i},a${i}\n`).join('');
    const found = await rows('a.csv', `a,b\nWho?,Me.\n"Tis what?,Short.\n${many}`);
    expect(found).toHaveLength(1002);
    expect(found[1]).toMatchObject({
      line: 3,
      value: { a: '"Tis what?', b: 'Short.' },
      note: expect.stringContaining('quote'),
    });
    expect(found.filter(({ note }) => note !== undefined)).toHaveLength(1);
  });

  it('a quote that closes rows later, in the middle of a cell, costs no row', async () => {
    const found = await cells('a.csv', 'a,b\n"Tis what?,Short.\nOne?,1\nSay "hi" to me,Hi.\nTwo?,2\n');
    expect(found).toEqual([
      ['"Tis what?', 'Short.'],
      ['One?', '1'],
      ['Say "hi" to me', 'Hi.'],
      ['Two?', '2'],
    ]);
  });

  it('a row with too many or too few cells is a bad row, by its first line', async () => {
    const found = await rows('a.csv', 'a,b\n1,2\n1\n"x\ny",2,3\n3,4\n');
    expect(found.map(({ line, error }) => [line, error !== undefined])).toEqual([
      [2, false],
      [3, true],
      [4, true],
      [6, false],
    ]);
    expect(found[2]!.error).toBe('it has 3 cells but the first line names 2 columns (lines 4 to 5)');
  });

  it('two columns of one name are refused', async () => {
    await expect(rows('a.csv', 'a,b, a\n1,2,3\n')).rejects.toMatchObject({
      code: 'BAD_CSV',
      message: expect.stringContaining('"a"'),
    });
  });

  const cell = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', '\r\n', ' ', ';', '漢'), maxLength: 6 });
  const table = fc
    .integer({ min: 2, max: 4 })
    .chain((columns) =>
      fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 8 }),
    );

  it('reads what csv-parse reads of any table that is written by the rules', async () => {
    await fc.assert(
      fc.asyncProperty(table, async (records) => {
        const header = records[0]!.map((_, i) => `column ${i}`);
        // A record of one empty line is no record to either.
        const text = [header, ...records]
          .map((record) => record.map((one) => `"${one.replaceAll('"', '""')}"`).join(','))
          .join('\n');
        expect(await cells('a.csv', text)).toEqual(parse(text, { from_line: 2 }));
      }),
      { numRuns: 200 },
    );
  });

  it('takes a cell of 40,000 lines with doubled quotes in its stride', async () => {
    const lines = Array.from({ length: 40_000 }, (_, i) => `He said "hi ${i}" to me`).join('\n');
    const start = performance.now();
    expect(await cells('a.csv', `a,b\n"${lines.replaceAll('"', '""')}",1\n`)).toEqual([[lines, '1']]);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('whatever the text, no line is lost: it is in a row, in a cell, or named in an error', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', '"', ',', ' ', 'b'), maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), async (lines) => {
        // A plain row behind each: none may be swallowed but those inside of a cell that closes by the rules.
        const text = `x,y\n${lines.map((one) => `${one}\nplain,row\n`).join('')}`;
        const found = await rows('a.csv', text);
        const plain = found.filter(({ value }) => (value as { x?: string } | undefined)?.x === 'plain').length;
        const inside = found.reduce(
          (sum, { value }) => sum + JSON.stringify(value ?? '').split('plain,row').length - 1,
          0,
        );
        const bad = found.reduce((sum, { error }) => {
          const [, from, to] = /lines (\d+) to (\d+)/.exec(error ?? '') ?? [];
          return sum + (error === undefined ? 0 : Number(to ?? 0) - Number(from ?? 0) + 1);
        }, 0);
        expect(plain + inside + bad).toBeGreaterThanOrEqual(lines.length);
      }),
      { numRuns: 300 },
    );
  });
});

describe('TSV', () => {
  it('has no quoting: every line is a row', async () => {
    const text = 'instruction\toutput\nWho?\tMe.\nSay "hi".\tHi.\n"Tis" what?\tShort.\n"open\t1\nTwo?\t2\n';
    const { examples, numBadRows } = await loadExamples(put('a.tsv', text));
    expect(examples.map(({ instruction }) => instruction)).toEqual([
      'Who?',
      'Say "hi".',
      '"Tis" what?',
      '"open',
      'Two?',
    ]);
    expect(numBadRows).toBe(0);
  });
});
