import { describe, expect, it } from 'vitest';
import { DATA_FORMATS, detectFormat, RowError, understandRow } from '../../../src/data/formats.js';
import type { DataFormat } from '../../../src/data/types.js';

const turn = (role: string, content: string) => ({ role, content });
const said = (from: string, value: string) => ({ from, value });

describe('the format of a row', () => {
  const rows: [DataFormat | undefined, Record<string, unknown>][] = [
    ['alpaca', { instruction: 'a', input: '', output: 'b' }],
    ['alpaca', { instruction: 'a', output: 'b', category: 'c' }],
    ['dolly', { instruction: 'a', context: '', response: 'b', category: 'c' }],
    ['sharegpt', { conversations: [said('human', 'a'), said('gpt', 'b')] }],
    ['messages', { messages: [turn('user', 'a'), turn('assistant', 'b')] }],
    ['completion', { prompt: 'a', completion: 'b' }],
    ['completion', { question: 'a', answer: 'b' }],
    ['text', { text: 'a' }],
    // Both are there: a conversation says more than its text.
    ['messages', { text: 'a', messages: [turn('user', 'a'), turn('assistant', 'b')] }],
    // Columns of a table that this row does not use.
    ['completion', { instruction: null, text: null, prompt: 'a', completion: 'b' }],
    ['dolly', { instruction: 'a', context: 'b', response: null }],
    [undefined, { title: 'a' }],
    [undefined, {}],
  ];

  it.each(rows)('is %s', (format, row) => {
    expect(detectFormat(row)).toBe(format);
  });

  it('covers every format', () => {
    expect(new Set(rows.map(([format]) => format))).toEqual(new Set([...DATA_FORMATS, undefined]));
  });
});

describe('a converted row', () => {
  it.each([
    [
      { instruction: 'a', input: 'b', output: 'c' },
      { instruction: 'a', input: 'b', output: 'c' },
    ],
    [
      { instruction: 'a', output: 3 },
      { instruction: 'a', input: '', output: '3' },
    ],
    [
      { instruction: 'a', context: 'b', response: 'c', category: 'd' },
      { instruction: 'a', input: 'b', output: 'c', category: 'd' },
    ],
    [
      { prompt: 'a', completion: 'c', owner: 'o' },
      { instruction: 'a', input: '', output: 'c', owner: 'o' },
    ],
    [{ text: 'a' }, { instruction: '', input: '', output: '', text: 'a' }],
    [{ conversations: [said('human', 'a'), said('gpt', 'b')] }, { instruction: 'a', input: '', output: 'b' }],
    [
      // An answer before any question and a question without an answer teach nothing.
      { messages: [turn('assistant', 'x'), turn('user', 'a'), turn('assistant', 'b'), turn('user', 'y')] },
      { instruction: 'a', input: '', output: 'b' },
    ],
    [
      { messages: [turn('system', 's'), turn('user', 'a'), turn('assistant', 'b')] },
      {
        instruction: 'a',
        input: '',
        output: 'b',
        messages: [turn('system', 's'), turn('user', 'a'), turn('assistant', 'b')],
      },
    ],
  ])('%j', (row, content) => {
    expect(understandRow(row).content).toEqual(content);
  });

  it('is read as the format that is named', () => {
    const row = { instruction: 'a', output: 'b', text: 'c' };
    expect(understandRow(row, { format: 'text' }).content).toMatchObject({ text: 'c', instruction: '' });
    expect(understandRow(row).content).toMatchObject({ instruction: 'a', output: 'b' });
  });
});

describe('a row that does not fit', () => {
  it.each<[unknown, DataFormat | undefined, RegExp]>([
    ['text', undefined, /not an object/],
    [null, undefined, /not an object/],
    [[], undefined, /not an object/],
    [{ title: 'a', body: 'b' }, undefined, /its keys \(title, body\) are of no known format/],
    [{ ['k'.repeat(60)]: 'a', b: 'b' }, undefined, /its keys \(k{40}, b\) are of no known format/],
    [{ instruction: 'a', response: null }, undefined, /"response" is missing/],
    [{ instruction: 'a', output: '  ' }, undefined, /"output" is empty/],
    [{ instruction: ' ', input: '', output: 'b' }, undefined, /"instruction" is empty/],
    [{ instruction: 'a', output: ['b'] }, undefined, /"output" is a list/],
    [{ instruction: 'a', output: { b: 1 } }, undefined, /"output" is an object/],
    [{ instruction: 'a', output: 'x'.repeat(1_000_001) }, undefined, /1000001 characters/],
    [{ prompt: 'a' }, 'completion', /"completion" is missing/],
    [{ messages: [turn('user', 'a')] }, undefined, /no question with an answer/],
    [{ messages: [turn('robot', 'a')] }, undefined, /role "robot" is not known/],
    [{ messages: [3] }, undefined, /a message is not an object/],
    [{ messages: ['a'] }, undefined, /no question with an answer/],
    [{ messages: 'a' }, 'messages', /"messages" is not a list/],
    [{ conversations: [said('constructor', 'a')] }, undefined, /role "constructor" is not known/],
  ])('%#: says why', (row, format, reason) => {
    expect(() => understandRow(row, { format })).toThrow(RowError);
    expect(() => understandRow(row, { format })).toThrow(reason);
  });
});
