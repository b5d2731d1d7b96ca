import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadExamples } from '../../../src/data/index.js';
import type { ReadOptions } from '../../../src/data/types.js';
import { useFolder } from './files.js';

const COMMIT = 'a'.repeat(40);
const { dir, put } = useFolder();

/** A cache as hub tools leave it, and no network. */
function cached(files: Readonly<Record<string, string | Uint8Array>>): ReadOptions {
  put('datasets--x--y/refs/main', COMMIT);
  for (const [name, content] of Object.entries(files)) put(`datasets--x--y/snapshots/${COMMIT}/${name}`, content);
  const offline = () => Promise.reject(new Error('offline'));
  return { cacheDir: join(dir()), fetch: offline as unknown as typeof fetch };
}
const row = (output: string) => `${JSON.stringify({ question: 'q', answer: output })}\n`;
const facts = async (spec: string, options: ReadOptions) =>
  (await loadExamples(spec, options)).examples.map(
    ({ output, owner, split }) => `${output} ${owner ?? '-'} ${split ?? '-'}`,
  );

describe('a data set on the hub', () => {
  const both = {
    'main/train-00000-of-00001.jsonl': row('short'),
    'main/test-00000-of-00001.jsonl': row('tested'),
    'socratic/train-00000-of-00001.jsonl': row('long'),
  };

  it('of several configurations asks which one is meant', async () => {
    await expect(loadExamples('hf:x/y', cached(both))).rejects.toMatchObject({
      name: 'DataError',
      code: 'AMBIGUOUS_CONFIG',
      message: expect.stringMatching(/2 configurations: main, socratic.*hf:x\/y\/main/),
    });
    expect(await facts('hf:x/y/main', cached(both))).toEqual(['tested - test', 'short - train']);
    expect(await facts('hf:x/y/socratic', cached(both))).toEqual(['long - train']);
    expect(await facts('hf:x/y/main/test-00000-of-00001.jsonl', cached(both))).toEqual(['tested - test']);
    await expect(loadExamples('hf:x/y/other', cached(both))).rejects.toMatchObject({ code: 'UNKNOWN_CONFIG' });
  });

  it('of one configuration is read', async () => {
    const one = {
      'data/train-00000-of-00001-5f1c2d3e4a5b6c7d.jsonl': row('a'),
      'data/test-00000-of-00001.jsonl': row('b'),
      'dataset_infos.json': '{}',
    };
    expect(await facts('hf:x/y', cached(one))).toEqual(['b - test', 'a - train']);
  });

  it('knows its splits as a folder of such files does', async () => {
    const one = { 'gsm_train.jsonl': row('a'), 'gsm_test.jsonl': row('b'), 'more/.cache/train.jsonl': row('no') };
    expect(await facts('hf:x/y', cached(one))).toEqual(['b - test', 'a - train']);
  });

  it('is read from any kind of file that a folder is read from, the best kind alone', async () => {
    const text = { 'README.txt': 'About this.', 'train.ndjson': row('a'), 'train.csv': 'question,answer\nq,b\n' };
    expect(await facts('hf:x/y', cached(text))).toEqual(['a - train']);
    rmSync(dir(), { recursive: true });
    expect(await facts('hf:x/y', cached({ 'train.tsv.gz': gzipSync('question\tanswer\nq\tc\n') }))).toEqual([
      'c - train',
    ]);
  });

  it('takes the files that its card names, whatever lies beside them', async () => {
    const card = '---\nconfigs:\n- config_name: default\n  data_files: "rows/*"\n---\n';
    const files = { 'README.md': card, 'raw.parquet': 'none', 'rows/train.jsonl': row('a'), 'rows/train.csv': 'x' };
    expect(await facts('hf:x/y', cached(files))).toEqual(['a - train']);
  });

  it('goes by its card, where that declares configurations', async () => {
    const card = (extra = '') =>
      `---\nconfigs:\n- config_name: small\n  data_files:\n  - split: train\n    path: a/*.jsonl\n  - split: validation\n    path: [b.jsonl]\n${extra}- config_name: big\n  data_files: "**/c.jsonl"\n---\n# y\n`;
    const files = { 'a/1.jsonl': row('1'), 'a/2.jsonl': row('2'), 'b.jsonl': row('3'), 'd/e/c.jsonl': row('4') };
    await expect(loadExamples('hf:x/y', cached({ ...files, 'README.md': card() }))).rejects.toMatchObject({
      message: expect.stringContaining('big, small'),
    });
    const preferred = cached({ ...files, 'README.md': card('  default: true\n') });
    expect(await facts('hf:x/y', preferred)).toEqual(['1 - train', '2 - train', '3 - valid']);
    expect(await facts('hf:x/y/big', preferred)).toEqual(['4 - -']);
  });
});
