import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadExamples } from '../../../src/data/index.js';
import { useFolder } from './files.js';

const { put } = useFolder();
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/arrow/${name}`, import.meta.url));

describe('folders of datasets.save_to_disk', () => {
  it('with splits', async () => {
    const { examples, badRows, summary } = await loadExamples(fixture('splits'));
    expect(examples.map(({ id, split, owner }) => [id, split, owner])).toEqual([
      ['test/data-00000-of-00001.arrow:1', 'test', undefined],
      ['train/data-00000-of-00002.arrow:1', 'train', undefined],
      ['train/data-00001-of-00002.arrow:1', 'train', undefined],
    ]);
    expect(examples[1]).toMatchObject({ instruction: 'Name a colour.', input: '', output: 'Blue.' });
    expect(badRows).toEqual([{ file: 'train/data-00000-of-00002.arrow', line: 2, reason: '"response" is missing' }]);
    expect(Object.keys(summary.unusedColumns)).toEqual(['number']);
  });

  it('with conversations in nested columns', async () => {
    const { examples } = await loadExamples(fixture('chats'));
    expect(examples[0]).toMatchObject({ instruction: 'Hello?', output: 'Hello!' });
    expect(examples[1]!.messages?.map(({ role, content }) => `${role}: ${content}`)).toEqual([
      'system: Be brief.',
      'user: Why?',
      'assistant: So.',
    ]);
  });

  it('keep whole numbers that JavaScript would round', async () => {
    const { examples } = await loadExamples(fixture('splits'), { columns: { answer: 'number' } });
    expect(examples[1]!.output).toBe('9007199254740993');
  });
});

it('a file that is none, or only half of one, is a DataError', async () => {
  const whole = readFileSync(fixture('chats/data-00000-of-00001.arrow'));
  for (const content of [
    whole.subarray(0, -8),
    whole.subarray(0, 500),
    'any bytes',
    'ARROW1\0\0',
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0, 1, 2, 3]),
  ]) {
    await expect(loadExamples(put('a.arrow', content))).rejects.toMatchObject({ name: 'DataError', code: 'BAD_ARROW' });
  }
});
