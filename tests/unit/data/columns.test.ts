import { describe, expect, it } from 'vitest';
import { understandRow } from '../../../src/data/formats.js';
import { loadExamples } from '../../../src/data/index.js';
import type { Columns } from '../../../src/data/types.js';
import { useFolder } from './files.js';

const { put } = useFolder();
const content = (row: object, columns?: Columns) => understandRow(row, { columns }).content;

describe('every column of a row', () => {
  it.each([
    [
      { instruction: 'Translate.', input: 'Guten Tag', response: 'Good day' },
      { instruction: 'Translate.', input: 'Guten Tag', output: 'Good day' },
    ],
    [
      { question: 'Rows?', context: 'CREATE TABLE', answer: 'COUNT' },
      { instruction: 'Rows?', input: 'CREATE TABLE', output: 'COUNT' },
    ],
    [
      { instruction: 'Sum up.', context: 'Long.', output: 'Short.' },
      { instruction: 'Sum up.', input: 'Long.', output: 'Short.' },
    ],
    [
      { instruction: 'a', input: 'b', context: 'c', output: 'd' },
      { instruction: 'a', input: 'b\nc', output: 'd' },
    ],
    [
      { instruction: 'Answer.', question: 'Why?', answer: 'So.' },
      { instruction: 'Why?', input: '', output: 'So.' },
    ],
    [
      { input: 'a', output: 'b' },
      { instruction: 'a', input: '', output: 'b' },
    ],
    [
      { problem: 'a', solution: 'b' },
      { instruction: 'a', input: '', output: 'b' },
    ],
    [
      { user: 'a', assistant: 'b' },
      { instruction: 'a', input: '', output: 'b' },
    ],
    // An empty cell of a table is no column of the row.
    [
      { prompt: '', question: 'a', completion: 'b' },
      { instruction: 'a', input: '', output: 'b' },
    ],
    [
      { instruction: 'a', output: true },
      { instruction: 'a', input: '', output: 'true' },
    ],
  ])('%j is used', (row, wanted) => {
    expect(content(row)).toEqual(wanted);
  });

  it('of a system prompt stands before the question', () => {
    for (const key of ['system', 'system_prompt', 'system_message']) {
      expect(content({ [key]: 'Be brief.', instruction: 'Hi', input: 'there', output: 'Hello' })).toEqual({
        instruction: 'Hi',
        input: 'there',
        output: 'Hello',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi\nthere' },
          { role: 'assistant', content: 'Hello' },
        ],
      });
    }
    expect(content({ system: ' ', instruction: 'Hi', output: 'Hello' }).messages).toBeUndefined();
    const chat = {
      system: 'Be brief.',
      conversations: [
        { from: 'human', value: 'Hi' },
        { from: 'gpt', value: 'Hello' },
      ],
    };
    expect(content(chat).messages?.map(({ role }) => role)).toEqual(['system', 'user', 'assistant']);
  });

  it.each([
    [[['2+2?', '4']]],
    ['[["2+2?", "4"]]'],
    [
      [
        { role: 'user', content: '2+2?' },
        { role: 'assistant', content: '4' },
      ],
    ],
  ])('of earlier turns is context: %j', (history) => {
    expect(content({ instruction: 'And 3+3?', output: '6', history }).messages).toEqual([
      { role: 'user', content: '2+2?' },
      { role: 'assistant', content: '4', train: false },
      { role: 'user', content: 'And 3+3?' },
      { role: 'assistant', content: '6' },
    ]);
  });

  it('without history has none', () => {
    for (const history of [[], '', null])
      expect(content({ instruction: 'a', output: 'b', history }).messages).toBeUndefined();
  });

  it('that is no part of the example is named', async () => {
    expect(
      understandRow({ instruction: 'a', output: 'b', id: 3, text: 'whole', empty: '', nothing: null }).unused,
    ).toEqual(['id', 'text']);
    const rows = [
      { instruction: 'a', output: 'b', score: 1 },
      { instruction: 'a', output: 'b', score: 2, url: 'x' },
    ];
    const { summary } = await loadExamples(put('a.jsonl', rows.map((row) => JSON.stringify(row)).join('\n')));
    expect(summary.unusedColumns).toEqual({ score: 2, url: 1 });
  });

  it('is a label where it names an owner or a category, without the space around it', () => {
    expect(content({ instruction: 'a', output: 'b', owner: ' north ', category: ['x', 'y'] })).toMatchObject({
      owner: 'north',
      category: 'x, y',
    });
    expect(content({ instruction: 'a', output: 'b', owner: '', category: [] })).toEqual({
      instruction: 'a',
      input: '',
      output: 'b',
    });
  });

  it('called split says the split, where its value does', () => {
    expect(content({ instruction: 'a', output: 'b', split: 'validation' }).split).toBe('valid');
    const other = understandRow({ instruction: 'a', output: 'b', split: 'banana' });
    expect([other.content.split, other.unused]).toEqual([undefined, ['split']]);
  });
});

describe('mapped columns', () => {
  const row = {
    Frage: 'Wie?',
    Lage: 'Hier.',
    Notiz: 'Da.',
    Regel: 'Kurz.',
    Antwort: 'So.',
    Praxis: 'Nord',
    Art: 'x',
    zahl: 0,
    teil: 'test',
  };
  const columns = {
    prompt: 'Frage',
    input: ['Lage', 'Notiz'],
    system: 'Regel',
    answer: 'Antwort',
    owner: 'Praxis',
    category: 'Art',
    split: 'teil',
  };

  it('are what they are said to be', () => {
    expect(content(row, columns)).toMatchObject({
      instruction: 'Wie?',
      input: 'Hier.\nDa.',
      output: 'So.',
      owner: 'Nord',
      category: 'x',
      split: 'test',
    });
    expect(content(row, columns).messages?.[0]).toEqual({ role: 'system', content: 'Kurz.' });
    expect(understandRow(row, { columns }).unused).toEqual(['zahl']);
  });

  it('may hold conversations and texts', () => {
    expect(content({ Gespräch: [['a', 'b']] }, { messages: 'Gespräch' })).toMatchObject({
      instruction: 'a',
      output: 'b',
    });
    expect(content({ Inhalt: 'a', text: 'b' }, { text: 'Inhalt' })).toMatchObject({ text: 'a' });
  });

  it('may hold weights of 0 and 1', async () => {
    const rows = [1, 0, '1.0', false, 0.5, [0]].map((w, i) => JSON.stringify({ instruction: `${i}`, output: 'x', w }));
    const { examples, summary, badRows } = await loadExamples(put('a.jsonl', rows.join('\n')), {
      columns: { weight: 'w' },
    });
    expect(examples.map(({ instruction }) => instruction)).toEqual(['0', '2']);
    expect(summary).toMatchObject({ weightless: 2, bad: 2 });
    expect(badRows[0]!.reason).toContain('only 0 (not learnt) and 1 (learnt)');
  });

  it('called weight are that where they hold 0 and 1, and else named as unused', async () => {
    const rows = [1, 0, '0', 'false', true, 70.5, 'heavy', null, [0]].map((weight, i) => ({ prompt: `${i}`, weight }));
    const path = put('a.jsonl', rows.map((row) => JSON.stringify({ ...row, completion: 'x' })).join('\n'));
    const { examples, summary } = await loadExamples(path);
    expect(examples.map(({ instruction }) => instruction)).toEqual(['0', '4', '5', '6', '7', '8']);
    expect(summary).toMatchObject({ rows: 9, weightless: 3, bad: 0, unusedColumns: { weight: 3 } });
    const chat = put('b.jsonl', JSON.stringify({ messages: [['a', 'b']], weight: 0 }));
    await expect(loadExamples(chat)).rejects.toMatchObject({ message: expect.stringContaining('have weight 0') });
  });

  it('that no row has are named', async () => {
    const path = put('a.jsonl', JSON.stringify({ instruction: 'a', output: 'b' }));
    await expect(loadExamples(path, { columns: { owner: 'clinic' } })).rejects.toMatchObject({
      code: 'UNKNOWN_COLUMN',
      message: expect.stringMatching(/clinic .*instruction, output/),
    });
  });
});

describe('the label that a partition goes by', () => {
  it('comes from the column that is named', async () => {
    const path = put(
      'a.jsonl',
      [
        { instruction: 'a', output: 'b', lang: 'de' },
        { instruction: 'a', output: 'b' },
      ]
        .map((row) => JSON.stringify(row))
        .join('\n'),
    );
    const { examples, summary } = await loadExamples(path, { labelColumn: 'lang' });
    expect(examples.map(({ label }) => label)).toEqual(['de', undefined]);
    expect(summary.unusedColumns).toEqual({});
  });
});
