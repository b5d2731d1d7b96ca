import { describe, expect, it } from 'vitest';
import { loadExamples } from '../../../src/data/index.js';
import { parseJson, withPlainNumbers } from '../../../src/data/rows/jsonText.js';
import { jsonValues } from '../../../src/data/rows/jsonValues.js';
import fc from '../../support/properties.js';
import { useFolder } from './files.js';

const { put } = useFolder();
const row = (instruction: string, output = 'x') => JSON.stringify({ instruction, output });
const asked = async (path: string) => (await loadExamples(path)).examples.map(({ instruction }) => instruction);

describe('layouts of JSON', () => {
  it.each([
    ['a.jsonl', `[${row('one')},\n${row('two')}]`],
    ['a.jsonl', `[${row('one')},${row('two')}]`],
    ['a.jsonl', JSON.stringify([JSON.parse(row('one')), JSON.parse(row('two'))], null, 2)],
    [
      'a.jsonl',
      `${JSON.stringify(JSON.parse(row('one')), null, 2)}\n${JSON.stringify(JSON.parse(row('two')), null, 2)}\n`,
    ],
    ['a.jsonl', `[${row('one')}]\n[${row('two')}]\n`],
    ['a.json', `${row('one')}\n${row('two')}`],
    ['a.json', `{\n"instruction": "one", "output": "x"}\n{\n"instruction": "two", "output": "x"}`],
    ['a.json', `{"instances": [${row('one')}, ${row('two')}], "version": 2}`],
  ])('%s (%#)', async (name, text) => {
    expect(await asked(put(name, text))).toEqual(['one', 'two']);
  });

  it('both splits of a file that is keyed by them', async () => {
    const { examples } = await loadExamples(
      put('a.json', `{"train": [${row('a')}, ${row('b')}], "test": [${row('c')}]}`),
    );
    expect(examples.map(({ id, split }) => [id, split])).toEqual([
      ['a.json:1', 'train'],
      ['a.json:2', 'train'],
      ['a.json:3', 'test'],
    ]);
  });

  it('every split by the names that files have; other lists of rows are named', async () => {
    const path = put(
      'a.json',
      `{"train_sft": [${row('a')}], "holdout": [${row('b')}], "mined": [${row('c')}], "empty": [], "version": 1}`,
    );
    const { examples, summary } = await loadExamples(path);
    expect(examples.map(({ instruction, split }) => `${instruction} ${split}`)).toEqual(['a train', 'b test']);
    expect(summary.reasons).toEqual([
      { reason: 'rows below other keys are left out: mined', count: 1, first: 'a.json:1' },
    ]);
  });

  it('no row where only other lists have some', async () => {
    const path = put('a.json', `{"train": [], "mined": [${row('c')}]}`);
    await expect(loadExamples(path)).rejects.toThrow('mined');
  });

  it('one task with instances in a file of its own', async () => {
    const path = put('a.json', '{"instruction": "Add.", "instances": [{"input": "1+1", "output": "2"}]}');
    expect((await loadExamples(path)).examples[0]).toMatchObject({ instruction: 'Add.', input: '1+1', output: '2' });
  });

  it.each([
    ['a.json', '{"data": [', ']}'],
    ['a.jsonl', '[', ']'],
  ])('all rows on one line, however long that is: %s', async (name, opening, end) => {
    const rows = Array.from({ length: 70 }, (_, i) => `{"instruction": "q${i}", "output": "${'x'.repeat(999_000)}"}`);
    expect(await asked(put(name, `${opening}${rows.join(', ')}${end}`))).toHaveLength(70);
  });

  it('but one line that is one long row is refused', async () => {
    const path = put('a.jsonl', `{"instruction": "q", "output": "${'x'.repeat(70_000_000)}"}`);
    await expect(loadExamples(path)).rejects.toMatchObject({ code: 'LINE_TOO_LONG' });
  });

  it('a row that has a list of that name is a row', async () => {
    expect(
      await asked(put('a.json', '{"instruction": "a", "output": "b", "examples": [{"x": 1}], "train": [{"y": 1}]}')),
    ).toEqual(['a']);
  });

  it('rows of one line have ids of their own', async () => {
    const { examples } = await loadExamples(put('a.jsonl', `${row('zero')}\n[${row('one')},${row('two')}]\n`));
    expect(examples.map(({ id }) => id)).toEqual(['a.jsonl:1', 'a.jsonl:2.1', 'a.jsonl:2.2']);
  });

  it('a broken element of an array is a bad row', async () => {
    const { examples, badRows } = await loadExamples(
      put('a.json', `[${row('one')}, {"instruction" "x"}, ${row('two')}]`),
    );
    expect(examples).toHaveLength(2);
    expect(badRows).toMatchObject([{ line: 2, reason: expect.stringContaining('no valid JSON') }]);
  });

  it.each(['short secret', '[secret]', '{"a": secret}', 'secret "\\n is not valid JSON'])(
    'what is said of a broken row does not quote it: %s',
    async (secret) => {
      const turns = {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
      };
      const lines = [JSON.stringify(turns), secret, JSON.stringify({ messages: `[${secret}` })];
      const { badRows } = await loadExamples(put('a.jsonl', lines.join('\n')), { format: 'messages' });
      expect(badRows.map(({ line }) => line)).toEqual([2, 3]);
      for (const { reason } of badRows) {
        expect(reason).toMatch(/no (valid )?JSON \((Unexpected|Expected)/);
        expect(reason).not.toContain('secret');
      }
    },
  );

  it('an array that does not end says where', async () => {
    await expect(loadExamples(put('a.json', `[${row('one')},\n${row('two')}`))).rejects.toMatchObject({
      code: 'BAD_JSON',
      message: expect.stringContaining('line 2'),
    });
    await expect(loadExamples(put('b.json', `[${row('one')}]\n{"a": 1}`))).rejects.toMatchObject({
      code: 'BAD_JSON',
      message: expect.stringContaining('line 2'),
    });
  });
});

describe('values cut out of JSON text', () => {
  const cut = async (text: string, depth: 0 | 1, size: number): Promise<string[]> => {
    async function* chunks(): AsyncGenerator<string> {
      for (let i = 0; i < text.length; i += size) yield text.slice(i, i + size);
    }
    const values: string[] = [];
    for await (const value of jsonValues(chunks(), { depth, path: 'x' })) values.push(value.text);
    return values;
  };

  it('are those of the array, wherever the chunks end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue()),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(undefined, 2),
        async (list, size, space) => {
          const values = await cut(JSON.stringify(list, null, space), 1, size);
          expect(values.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(list)));
        },
      ),
    );
  });

  it('are those of a sequence of objects', async () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(fc.array(object), fc.integer({ min: 1, max: 9 }), async (list, size) => {
        const values = await cut(list.map((item) => JSON.stringify(item)).join('\n'), 0, size);
        expect(values.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(list)));
      }),
    );
  });
});

describe('numbers', () => {
  it.each(['12345678901234567890', '1.0', '1e400', '-0', '0.1000', '1E5', '-1.50e-3', '3'])(
    '%s keeps its spelling',
    async (number) => {
      const path = put('a.jsonl', `{"instruction":"a","output":${number}}\n`);
      expect((await loadExamples(path)).examples[0]!.output).toBe(number);
      expect((await loadExamples(put('a.json', `[{"instruction":"a","output":${number}}]`))).examples[0]!.output).toBe(
        number,
      );
    },
  );

  it('NaN and infinities as Python writes them are null; in texts they stay', async () => {
    const text = '{"instruction":"NaN or \\"Infinity","input":NaN,"output":"b","x":[-Infinity, Infinity]}';
    for (const path of [put('a.jsonl', `${text}\n`), put('a.json', `[${text}]`)]) {
      expect((await loadExamples(path)).examples[0]).toMatchObject({
        instruction: 'NaN or "Infinity',
        input: '',
        output: 'b',
      });
    }
    expect(() => parseJson('{"a": NaNa}')).toThrow(SyntaxError);
  });

  it('are otherwise the values of JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(withPlainNumbers(parseJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });
});
