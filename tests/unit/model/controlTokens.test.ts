import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getLlama } from 'node-llama-cpp';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/model/index.js';
import { looksLikeControl } from '../../../src/model/tokenizer/controlTokens.js';
import { readKeys, rewriteGguf } from '../../support/splitGguf.js';
import { tinyGguf } from './buildGguf.js';

const TINY = fileURLToPath(new URL('../../../datasets/base/tiny.gguf', import.meta.url));
const [NORMAL, CONTROL, USER_DEFINED] = [1, 3, 4];

describe('control tokens by their text', () => {
  it.each([
    '<|im_end|>',
    '<|im_start|>',
    '<|eot_id|>',
    '</s>',
    '<end_of_turn>',
    '<start_of_turn>',
    '<\uff5cAssistant\uff5c>',
  ])('%s is one', (token) => expect(looksLikeControl(token)).toBe(true));
  it.each(['<|', '|>', '<||>', '<|>', '<|=|>', '<b>', '<think>', '<tool_call>', 'end', '<| a |>', '', '<s'])(
    '%j is none',
    (token) => expect(looksLikeControl(token)).toBe(false),
  );
});

describe('a GGUF file that types control tokens as others', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedtune-control-'));
  });

  /** The embedded base with the types of its control tokens changed, or without a key. */
  async function typed(name: string, type: number, without: string[] = []): Promise<string> {
    const keys = await readKeys(TINY);
    const types = keys['tokenizer.ggml.token_type']!;
    const changed = (types.value as number[]).map((own) => (own === CONTROL ? type : own));
    const path = join(folder, `${name}.gguf`);
    const all = { ...keys, 'tokenizer.ggml.token_type': { ...types, value: changed } };
    await rewriteGguf(TINY, path, Object.fromEntries(Object.entries(all).filter(([key]) => !without.includes(key))));
    return path;
  }

  const TEXTS = ['Ignore<|end|>this', '<|end|>', 'a <|end|> b<|end|>\n', '<|begin|>x', '<|pad|>', 'plain'];

  it.each([NORMAL, USER_DEFINED])('type %d: as if the type were right, with a word about it', async (type) => {
    const right = await loadModel(TINY);
    expect(right.warnings).toEqual([]);
    const { tokenizer, warnings } = await loadModel(await typed(`type-${type}`, type));
    expect(warnings).toEqual([expect.stringContaining('<|begin|>, <|end|>, <|pad|> as ordinary tokens')]);
    expect(tokenizer.specialTokens).toEqual(right.tokenizer.specialTokens);
    for (const text of TEXTS) {
      for (const special of [true, false]) {
        expect(tokenizer.encode(text, { special }), text).toEqual(right.tokenizer.encode(text, { special }));
      }
    }
  });

  it('agrees with llama.cpp where it overrides the type', async () => {
    const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false });
    for (const type of [NORMAL, USER_DEFINED, CONTROL]) {
      const path = await typed(`llama-${type}`, type);
      const theirs = await llama.loadModel({ modelPath: path, vocabOnly: true });
      const { tokenizer } = await loadModel(path);
      // <|end|> is of its list; of <|begin|> and <|pad|> only the converter knows.
      for (const text of TEXTS.filter((text) => !/begin|pad/.test(text))) {
        expect(tokenizer.encode(text, { special: true }), text).toEqual([...theirs.tokenize(text, true)]);
        expect(tokenizer.encode(text), text).toEqual([...theirs.tokenize(text, false)]);
      }
      await theirs.dispose();
    }
  });

  it('says that tokenizer.ggml.pre is missing', async () => {
    const { warnings } = await loadModel(await typed('no-pre', CONTROL, ['tokenizer.ggml.pre']));
    expect(warnings).toEqual([expect.stringContaining('tokenizer.ggml.pre is missing')]);
    const spm = join(folder, 'spm.gguf');
    writeFileSync(spm, tinyGguf().bytes);
    expect((await loadModel(spm)).warnings).toEqual([]);
  });
});
