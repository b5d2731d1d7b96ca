import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getLlama, type Llama, LlamaLogLevel } from 'node-llama-cpp';
import { beforeAll, describe, expect, it } from 'vitest';
import { readGgufHeader } from '../../../src/model/gguf/header.js';
import { GgufMetadata } from '../../../src/model/gguf/metadata.js';
import { tokenizerFromGguf } from '../../../src/model/tokenizer/fromGguf.js';
import { preTokenizerNames } from '../../../src/model/tokenizer/preTokenizers.js';
import { sharedDir } from '../../support/reference.js';
import { readKeys, rewriteGguf } from '../../support/splitGguf.js';
import { randomTexts } from './randomTexts.js';

const TINY = fileURLToPath(new URL('../../../datasets/base/tiny.gguf', import.meta.url));
const shared = (name: string) => join(sharedDir, 'models', name);
const OTHERS = ['stories260K.gguf', 'babyllama-1M.gguf', 'SmolLM2-135M-Instruct.Q4_1.gguf'].map(shared);

/** llama.cpp takes C strings: a text ends at NUL there. A lone surrogate is what UTF-8 makes of it. */
const TEXTS = [
  'a\u0085b',
  '\ufeffx',
  '\u0663\u0664',
  '\u2167',
  "I'LL  don't",
  '12345',
  ' \n\u0663',
  ...randomTexts(400, 23),
]
  .map((text) => Buffer.from(text.replaceAll('\0', '')).toString())
  .filter((text) => text !== '');

describe('tokenizers of GGUF files give the ids of llama.cpp', () => {
  let llama: Llama;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedtune-llama-'));
    const quiet = { progressLogs: false, logLevel: LlamaLogLevel.error } as const;
    llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, ...quiet });
  });

  async function differ(path: string, texts = TEXTS): Promise<string[]> {
    const theirs = await llama.loadModel({ modelPath: path, vocabOnly: true });
    const tokenizer = tokenizerFromGguf(new GgufMetadata(await readGgufHeader(path)), 1 << 20);
    const same = (text: string, special: boolean) =>
      JSON.stringify(tokenizer.encode(text, { special })) === JSON.stringify([...theirs.tokenize(text, special)]);
    const found = texts.filter((text) => !same(text, true) || !same(text, false));
    await theirs.dispose();
    return found;
  }

  it.each(preTokenizerNames())('tokenizer.ggml.pre = %s', async (name) => {
    const path = join(folder, `${name}.gguf`);
    const keys = await readKeys(TINY);
    const named = { ...keys, 'tokenizer.ggml.pre': { ...keys['tokenizer.ggml.pre']!, value: name } };
    await rewriteGguf(TINY, path, named);
    // Ours brings text to NFC where the model's own tokenizer does; llama.cpp does not.
    const texts = name.includes('qwen') ? TEXTS.filter((text) => text === text.normalize('NFC')) : TEXTS;
    expect(await differ(path, texts)).toEqual([]);
    await rm(path);
  });

  for (const path of OTHERS) {
    it.skipIf(!existsSync(path))(`${path} (skipped where it is not there)`, async () => {
      expect(await differ(path)).toEqual([]);
    });
  }
});
