import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadExamples } from '../../../src/data/index.js';
import { readText } from '../../../src/data/rows/text.js';
import fc from '../../support/properties.js';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fedtune-encoding-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(name: string, content: string | Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

/** The bytes of Windows-1252 for texts whose letters are in Latin-1. */
const latin = (text: string) => Buffer.from(text, 'latin1');

describe('bytes that are no UTF-8', () => {
  it.each([
    ['a.csv', latin('instruction,output\nDrink?,Le caf\u00e9.\n'), 2],
    ['a.tsv', latin('instruction\toutput\nDrink?\tTea\nDrink?\tLe caf\u00e9.\n'), 3],
    ['a.jsonl', latin('{"instruction":"a","output":"b"}\n{"instruction":"a","output":"na\u00efve"}\n'), 2],
    ['a.json', latin('[{"instruction":"a",\n"output":"\u00fcber"}]'), 2],
    ['a.txt', latin('one\n\n\u00a3 5'), 3],
    // A character that the end of the file cuts.
    ['a.jsonl', Buffer.concat([Buffer.from('{"instruction":"a","output":"b"}\n"'), Buffer.from([0xe2, 0x82])]), 2],
    ['a.csv', Buffer.concat([Buffer.from('instruction,output\na,'), Buffer.from([0xc0, 0x80])]), 2],
  ])('%s (%#) are refused by file and line', async (name, bytes, line) => {
    await expect(loadExamples(put(name, bytes))).rejects.toMatchObject({
      name: 'DataError',
      code: 'BAD_ENCODING',
      message: expect.stringMatching(
        new RegExp(`^Line ${line} of .*${name.replace('.', '\\.')} is not UTF-8.*Windows-1252 or Latin-1`),
      ),
    });
  });

  it('are found in the last byte of a large file', async () => {
    const row = `${JSON.stringify({ instruction: 'é'.repeat(500), output: '漢' })}\n`;
    const path = put('a.jsonl', Buffer.concat([Buffer.from(row.repeat(3000)), Buffer.from([0xe9])]));
    await expect(loadExamples(path)).rejects.toMatchObject({ message: expect.stringContaining('Line 3001 of') });
  });

  it('are found at once in a long line', async () => {
    const path = put('a.jsonl', Buffer.concat([Buffer.from('漢'.repeat(340_000)), Buffer.from([0xe9, 0x20])]));
    const start = performance.now();
    await expect(loadExamples(path)).rejects.toMatchObject({ message: expect.stringContaining('byte 0xE9 cannot') });
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it.each(['windows-1252', 'latin1', 'iso-8859-1'])('are read where encoding says %s', async (encoding) => {
    const path = put('a.csv', latin('instruction,output\nNomme une boisson.,Le caf\u00e9.\n'));
    expect((await loadExamples(path, { encoding })).examples[0]!.output).toBe('Le café.');
  });

  it('of Windows-1252 are quotes and the euro, which Latin-1 lacks', async () => {
    const path = put(
      'a.jsonl',
      Buffer.concat([Buffer.from('{"instruction":"a","output":"'), Buffer.from([0x80, 0x93, 0x94]), Buffer.from('"}')]),
    );
    expect((await loadExamples(path, { encoding: 'windows-1252' })).examples[0]!.output).toBe('€“”');
  });

  it('UTF-16 with and without its mark, named and read', async () => {
    const text = 'instruction,output\nfünf,5\n';
    for (const bytes of [Buffer.from(`\ufeff${text}`, 'utf16le'), Buffer.from(text, 'utf16le')]) {
      const path = put('a.csv', bytes);
      await expect(loadExamples(path)).rejects.toMatchObject({
        message: expect.stringContaining('encoding: utf-16le'),
      });
      expect((await loadExamples(path, { encoding: 'utf-16le' })).examples[0]!.instruction).toBe('fünf');
    }
  });

  it('an encoding that nobody knows', async () => {
    await expect(loadExamples(put('a.csv', 'a'), { encoding: 'klingon' })).rejects.toMatchObject({
      code: 'BAD_ENCODING',
      message: expect.stringContaining('"klingon"'),
    });
  });
});

describe('packed files', () => {
  // `zstd` of one JSON line, made with the reference tool.
  const ZSTD = Buffer.from('KLUv/QRYGQEAeyJpbnN0cnVjdGlvbiI6Im9uZSIsIm91dHB1dCI6IngifQra98m6', 'base64');

  it('gzip is unpacked by its name', async () => {
    const line = '{"instruction":"one","output":"x"}\n';
    for (const [name, text] of [
      ['a.jsonl.gz', line],
      ['a.csv.gz', 'instruction,output\none,x\n'],
      ['a.json.GZ', `[${line}]`],
    ] as const) {
      expect((await loadExamples(put(name, gzipSync(text)))).examples[0]).toMatchObject({ instruction: 'one' });
    }
  });

  it('zstd is unpacked by its name', async () => {
    expect((await loadExamples(put('a.jsonl.zst', ZSTD))).examples[0]).toMatchObject({ instruction: 'one' });
  });

  it('that are broken are refused', async () => {
    for (const [name, bytes] of [
      ['a.jsonl.gz', gzipSync('x'.repeat(1000)).subarray(0, 20)],
      ['b.jsonl.gz', 'no gzip'],
      ['c.jsonl.zst', ZSTD.subarray(0, 20)],
    ] as const) {
      await expect(loadExamples(put(name, bytes)), name).rejects.toMatchObject({ code: 'BAD_PACKED' });
    }
  });
});

it('reads any text whole, wherever its bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 2000 }), async (text) => {
      const path = put('a.txt', text.repeat(20));
      let read = '';
      for await (const piece of readText({ path, encoding: 'utf-8' })) read += piece;
      expect(read).toBe(text.repeat(20).replace(/^\ufeff/, ''));
    }),
    { numRuns: 30 },
  );
});
