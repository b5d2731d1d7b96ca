import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { loadModel, loadTokenizer } from '../../../src/model/index.js';
import { writeHf } from './buildHf.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'fedtune-load-tokenizer-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const gguf = join(folder, 'tiny.gguf');
fs.copyFileSync('datasets/base/tiny.gguf', gguf);

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

it.each([
  ['a GGUF file', gguf],
  ['a Hugging Face folder', writeHf(join(folder, 'hf'))],
])('the tokenizer of %s comes without another pass over its weights', async (_what, spec) => {
  const { tokenizer, ...model } = await loadModel(spec);
  const { files } = model.description;
  // What was hashed before is not known any more.
  for (const file of files) fs.utimesSync(file, 1, 1);
  const streamed = vi.spyOn(fs, 'createReadStream');
  syncBuiltinESMExports();
  const again = await loadTokenizer(model);
  const text = 'How do bees find home?';
  expect([...again.encode(text)]).toEqual([...tokenizer.encode(text)]);
  const paths = streamed.mock.calls.map(([path]) => String(path));
  expect(paths.filter((path) => files.includes(path))).toEqual([]);
  // The count counts: loading the base again does read them.
  await loadModel(spec);
  expect(streamed.mock.calls.map(([path]) => String(path))).toEqual(expect.arrayContaining([...files]));
});
