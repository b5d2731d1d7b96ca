import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { RowError, understandRow } from '../../../src/data/formats.js';
import { loadExamples } from '../../../src/data/index.js';
import { jinjaChatTemplate } from '../../../src/data/templates/jinja.js';
import { tokenizeExample } from '../../../src/data/tokenize.js';
import { DataError } from '../../../src/errors.js';
import fc from '../../support/properties.js';
import { charTokenizer } from './charTokenizer.js';
import { useFolder } from './files.js';

const { put } = useFolder();
const fixture = (name: string) => readFileSync(fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url)));

const row = '{"instruction":"Say é.","output":"x","n":1.0}';
const SEEDS: readonly [string, Buffer][] = [
  ['a.jsonl', Buffer.from(`${row}\n${row}\n`)],
  ['a.json', Buffer.from(`[${row},\n${row}]`)],
  ['b.json', Buffer.from(`{"train":[${row}],"test":[${row}]}`)],
  ['a.csv', Buffer.from('instruction,output\n"a, ""b""",c\nd,"e\nf"\n')],
  ['a.tsv', Buffer.from('instruction\toutput\na\tb\n')],
  ['a.txt', Buffer.from('one\n\ntwo')],
  ['a.jsonl.gz', gzipSync(`${row}\n`)],
  ['a.jsonl.zst', Buffer.from('KLUv/QRYGQEAeyJpbnN0cnVjdGlvbiI6Im9uZSIsIm91dHB1dCI6IngifQra98m6', 'base64')],
  ['a.parquet', fixture('parquet/snappy.parquet')],
  ['b.parquet', fixture('parquet/zstd.parquet')],
  ['a.arrow', fixture('arrow/chats/data-00000-of-00001.arrow')],
];

describe('files with bytes that were changed', () => {
  const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.nat(255), cut: fc.boolean() });

  it.each(SEEDS)('%s: rows, or an error that says what', async (name, seed) => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        let bytes = Buffer.from(seed);
        for (const { at, byte, cut } of changes) {
          const place = Math.floor(at * bytes.length);
          if (cut && bytes.length > 8)
            bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + (byte % 5))]);
          else if (bytes.length > 0) bytes[Math.min(place, bytes.length - 1)] = byte;
        }
        const outcome = await loadExamples(put(name, bytes)).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome, `${outcome.stack}`).toBeInstanceOf(DataError);
      }),
      { numRuns: 60 },
    );
  });
});

describe('rows of any shape', () => {
  const keys = fc.constantFrom(
    'messages',
    'conversations',
    'prompt',
    'instruction',
    'output',
    'answer',
    'input',
    'system',
    'history',
    'role',
    'from',
    'content',
    'value',
    'type',
    'text',
    'parts',
    'tool_calls',
    'function',
    'arguments',
    'name',
    'weight',
    'category',
    'owner',
    'split',
    '__proto__',
    'toString',
    'constructor',
  );
  const words = fc.oneof(
    fc.string(),
    fc.constantFrom('user', 'assistant', 'system', 'tool', 'text', '[["a","b"]]', "[{'a': None}]", '[', '', '0'),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      words,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
    ),
  }));
  const template = jinjaChatTemplate(
    't',
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content.strip() + (m.tool_calls | tojson if m.tool_calls else '') + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    charTokenizer(),
  );

  it('are understood, or refused with a reason; what is understood becomes tokens or a reason', () => {
    fc.assert(
      fc.property(fc.dictionary(keys, value, { maxKeys: 6 }), (shape) => {
        let content: ReturnType<typeof understandRow>['content'];
        try {
          ({ content } = understandRow(shape));
        } catch (error) {
          expect(error, `${(error as Error).stack}`).toBeInstanceOf(RowError);
          return;
        }
        const result = tokenizeExample(
          { ...content, id: 'x' },
          { tokenizer: charTokenizer(), template, seqLength: 10_000 },
        );
        if ('dropped' in result) expect(result.reason).not.toBe('');
        else expect(result.example.lossMask).toContain(1);
      }),
      { numRuns: 3000 },
    );
  });

  it('are bad rows where they are nested too deeply', async () => {
    const deep = `{"messages":[{"role":"user","content":${'['.repeat(20_000)}${']'.repeat(20_000)}}]}`;
    const { examples, numBadRows } = await loadExamples(put('a.jsonl', `${row}\n${deep}\n`));
    expect([examples.length, numBadRows]).toEqual([1, 1]);
  });
});
