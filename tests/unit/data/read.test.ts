import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadExamples, readExamples, resolveDataFiles } from '../../../src/data/index.js';
import type { BadRow, ReadOptions } from '../../../src/data/types.js';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fedtune-data-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(name: string, content: string | Uint8Array): string {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const row = (instruction: string, more: object = {}) =>
  JSON.stringify({ instruction, input: '', output: 'x', ...more });
const asked = async (spec: string, options?: ReadOptions) =>
  (await loadExamples(spec, options)).examples.map(({ instruction }) => instruction);

describe('files', () => {
  it.each([
    ['a.jsonl', `${row('one')}\n\n${row('two')}\n`],
    ['a.ndjson', `\ufeff${row('one')}\r\n${row('two')}`],
    ['a.json', `[${row('one')},${row('two')}]`],
    ['data.json', `{"version": 1, "data": [${row('one')},${row('two')}]}`],
    // JSON lines under the wrong name, as FedIT-style repositories have them.
    ['lines.json', `${row('one')}\n${row('two')}\n`],
    ['a.csv', 'instruction,input,output\none,,x\ntwo,,x\n'],
    ['a.tsv', 'instruction\tinput\toutput\none\t\tx\ntwo\t\tx\n'],
    ['upper.CSV', '\ufeffinstruction,output\r\none,x\r\ntwo,"x, y\r\nz"\r\n'],
  ])('%s', async (name, content) => {
    expect(await asked(put(name, content))).toEqual(['one', 'two']);
  });

  it('.txt: paragraphs as raw text', async () => {
    const { examples } = await loadExamples(put('a.txt', 'one\nmore\n\n  \ntwo\n'));
    expect(examples.map(({ text }) => text)).toEqual(['one\nmore', 'two']);
  });

  it('says which of several has no rows, as an owner would be missing', async () => {
    put('own/north.jsonl', row('one'));
    put('own/south.jsonl', '\n');
    put('own/west.csv', 'instruction,output\n');
    const warnings: string[] = [];
    const reportWarning = (sentence: string) => warnings.push(sentence);
    const { summary } = await loadExamples(join(dir, 'own'), { reportWarning });
    expect(warnings).toEqual(['south.jsonl has no rows.', 'west.csv has no rows.']);
    expect(summary.reasons).toEqual([{ reason: 'the file has no rows', count: 2, first: 'south.jsonl' }]);
  });

  it('a single object in a .json file is a row', async () => {
    expect(await asked(put('a.json', row('one')))).toEqual(['one']);
  });

  it('a task with instances is a row for each', async () => {
    const task = {
      instruction: 'Add.',
      instances: [
        { input: '1 1', output: '2' },
        { input: '2 2', output: '4' },
      ],
      id: 3,
    };
    const { examples, summary } = await loadExamples(put('a.jsonl', JSON.stringify(task)));
    expect(examples).toEqual([
      { id: 'a.jsonl:1.1', instruction: 'Add.', input: '1 1', output: '2' },
      { id: 'a.jsonl:1.2', instruction: 'Add.', input: '2 2', output: '4' },
    ]);
    expect(summary.unusedColumns).toEqual({ id: 2 });
  });

  it('keeps U+2028 inside a JSON line', async () => {
    expect(await asked(put('a.jsonl', row('one\u2028two')))).toEqual(['one\u2028two']);
  });

  const parquet = (codec: string) => fileURLToPath(new URL(`../../fixtures/parquet/${codec}.parquet`, import.meta.url));

  it.each(['none', 'snappy', 'gzip', 'brotli', 'zstd'])('Parquet of pyarrow, %s', async (codec) => {
    const { examples, badRows } = await loadExamples(parquet(codec));
    expect(examples).toEqual([
      { id: `${codec}.parquet:1`, instruction: 'Name a colour.', input: '', output: 'Blue.', category: 'open_qa' },
      { id: `${codec}.parquet:3`, instruction: 'Count to two.', input: '', output: 'One, two.', category: 'closed_qa' },
    ]);
    expect(badRows).toEqual([{ file: `${codec}.parquet`, line: 2, reason: '"response" is missing' }]);
  });

  it('Parquet: conversations in nested columns', async () => {
    const { examples } = await loadExamples(parquet('chats'));
    expect(examples[0]).toMatchObject({ instruction: 'Hello?', output: 'Hello!' });
    expect(examples[1]!.messages).toHaveLength(3);
  });
});

it('reading stops where the user asks for it', async () => {
  const path = put('a.jsonl', [1, 2, 3, 4].map((i) => `${row(`q${i}`)}\n`).join(''));
  const controller = new AbortController();
  const read: string[] = [];
  const reading = (async () => {
    for await (const { instruction } of readExamples(path, { signal: controller.signal })) {
      read.push(instruction);
      if (read.length === 2) controller.abort();
    }
  })();
  await expect(reading).rejects.toMatchObject({ name: 'InterruptedError', exitCode: 130 });
  expect(read).toEqual(['q1', 'q2']);
});

describe('bad rows', () => {
  const mixed = `${row('one')}\nnot json\n\n{"title": "x"}\n${row('two')}\n${row('three', { output: '' })}\n`;

  it('are skipped, counted and named by line', async () => {
    const seen: BadRow[] = [];
    const data = await loadExamples(put('a.jsonl', mixed), { reportBadRow: (bad) => seen.push(bad) });
    expect(data.examples.map(({ id }) => id)).toEqual(['a.jsonl:1', 'a.jsonl:5']);
    expect(data.numBadRows).toBe(3);
    expect(data.badRows.map(({ line }) => line)).toEqual([2, 4, 6]);
    expect(data.badRows[2]!.reason).toBe('"output" is empty');
    expect(seen).toEqual(data.badRows);
  });

  it('are fatal where the run file says so', async () => {
    const path = put('a.jsonl', mixed);
    await expect(loadExamples(path, { onBadRow: 'fatal' })).rejects.toMatchObject({
      code: 'BAD_ROW',
      message: expect.stringMatching(/^Row 2 of .*a\.jsonl cannot be used: no valid JSON/),
    });
  });

  it('are named by the line of a CSV file', async () => {
    const path = put('a.csv', 'instruction,output\none,x\ntwo,x,extra\n\nthree,\nfour,x\n');
    const data = await loadExamples(path);
    expect(data.examples.map(({ instruction }) => instruction)).toEqual(['one', 'four']);
    expect(data.badRows.map(({ line }) => line)).toEqual([3, 5]);
  });

  it('are counted beyond those that are kept', async () => {
    const data = await loadExamples(put('a.jsonl', `${'{}\n'.repeat(150)}${row('one')}`));
    expect(data.numBadRows).toBe(150);
    expect(data.badRows).toHaveLength(100);
  });

  it('alone are no data: the first is named', async () => {
    await expect(loadExamples(put('a.jsonl', '{"title": "x"}\n'))).rejects.toMatchObject({
      code: 'NO_EXAMPLES',
      message: expect.stringContaining('row 1 of a.jsonl: its keys (title)'),
    });
    await expect(loadExamples(put('empty.jsonl', ''))).rejects.toMatchObject({ code: 'NO_EXAMPLES' });
  });
});

describe('files that cannot be read', () => {
  it.each([
    ['a.json', '{"a": ', 'BAD_JSON'],
    ['a.json', '[1, 2', 'BAD_JSON'],
    ['a.json', '3', 'BAD_JSON'],
    ['a.parquet', 'PAR1 no parquet', 'BAD_PARQUET'],
    ['a.jsonl', gzipSync(row('one')), 'BAD_ENCODING'],
    ['a.csv', Buffer.from('\ufeffinstruction,output\n', 'utf16le'), 'BAD_ENCODING'],
    ['a.json', Buffer.from(`\ufeff${row('one')}`, 'utf16le'), 'BAD_ENCODING'],
    ['a.doc', 'x', 'UNKNOWN_EXTENSION'],
  ])('%s is a DataError (%#)', async (name, content, code) => {
    await expect(loadExamples(put(name, content))).rejects.toMatchObject({ name: 'DataError', code });
  });

  it('says what it looked for where nothing is', async () => {
    await expect(loadExamples(join(dir, 'none'))).rejects.toMatchObject({
      code: 'DATA_NOT_FOUND',
      message: expect.stringContaining(join(dir, 'none')),
    });
    await expect(loadExamples(join(dir, '*.jsonl'))).rejects.toMatchObject({ code: 'DATA_NOT_FOUND' });
    await expect(loadExamples(put('a.jsonl', row('a')), { format: 'alpaka' as never })).rejects.toMatchObject({
      code: 'UNKNOWN_FORMAT',
    });
  });
});

describe('owners and splits', () => {
  const facts = async (spec: string) =>
    (await loadExamples(spec)).examples.map(({ id, owner, split }) => [id, owner, split]);

  it('one folder a client, one file a split', async () => {
    for (const name of ['north/train', 'north/test', 'south/train', 'south/validation']) put(`${name}.jsonl`, row('a'));
    put('north/notes.md', 'no data');
    put('.hidden/train.jsonl', row('a'));
    expect(await facts(dir)).toEqual([
      ['north/test.jsonl:1', 'north', 'test'],
      ['north/train.jsonl:1', 'north', 'train'],
      ['south/train.jsonl:1', 'south', 'train'],
      ['south/validation.jsonl:1', 'south', 'valid'],
    ]);
  });

  it('one file a client beside a test for all, in the order of people', async () => {
    for (const name of ['local_10', 'local_2', 'global_test']) put(`${name}.json`, `[${row('a')}]`);
    expect(await facts(dir)).toEqual([
      ['global_test.json:1', undefined, 'test'],
      ['local_2.json:1', 'local_2', undefined],
      ['local_10.json:1', 'local_10', undefined],
    ]);
    expect((await facts(join(dir, 'local_*.json'))).map(([, owner]) => owner)).toEqual(['local_2', 'local_10']);
  });

  it('one file is nobody in particular, unless its rows say', async () => {
    const path = put('all.jsonl', `${row('a')}\n${row('b', { owner: 'x' })}\n`);
    expect((await facts(path)).map(([, owner]) => owner)).toEqual([undefined, 'x']);
  });

  it('a folder below the package: the embedded owners', async () => {
    const files = await resolveDataFiles('embedded');
    expect(new Set(files.map(({ owner }) => owner)).size).toBe(8);
    expect(new Set(files.map(({ split }) => split))).toEqual(new Set(['train', 'valid', 'test']));
  });

  it('reads example by example', async () => {
    const path = put('a.jsonl', `${row('one')}\nbroken\n`);
    const reading = readExamples(path, { onBadRow: 'fatal' });
    expect((await reading.next()).value).toMatchObject({ instruction: 'one' });
    await expect(reading.next()).rejects.toMatchObject({ code: 'BAD_ROW' });
  });

  it('a list of files is a folder of files in other words: each an owner, and a domain', async () => {
    const paths = [put('x/north.jsonl', row('a')), put('y/south.jsonl', row('b'))];
    const { examples } = await loadExamples(paths);
    expect(examples.map(({ id, owner, domain }) => [id, owner, domain])).toEqual([
      ['x/north.jsonl:1', 'x', 'north'],
      ['y/south.jsonl:1', 'y', 'south'],
    ]);
    const beside = [put('north.jsonl', row('a')), put('south.jsonl', row('b'))];
    expect((await loadExamples(beside)).examples.map(({ owner }) => owner)).toEqual(['north', 'south']);
  });

  it('several data sets keep apart: ids, owners and domains', async () => {
    put('law/a.jsonl', row('a'));
    put('code/a.jsonl', row('b'));
    const { examples } = await loadExamples([join(dir, 'law'), join(dir, 'code')]);
    expect(examples.map(({ id, domain }) => [id, domain])).toEqual([
      ['0/a.jsonl:1', 'law'],
      ['1/a.jsonl:1', 'code'],
    ]);
    await expect(loadExamples([join(dir, 'law'), join(dir, 'none')])).rejects.toMatchObject({ code: 'DATA_NOT_FOUND' });
  });

  it('looks into folders of folders, and past what other tools write beside rows', async () => {
    put('north/2024/q1.jsonl', row('a'));
    put('south/train/0.jsonl', row('b'));
    put('dataset_info.json', '{}');
    put('south/state.json', '{}');
    expect(await facts(dir)).toEqual([
      ['north/2024/q1.jsonl:1', 'north', undefined],
      ['south/train/0.jsonl:1', 'south', 'train'],
    ]);
  });
});
