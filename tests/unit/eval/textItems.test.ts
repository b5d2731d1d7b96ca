import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTexts } from '../../../src/eval/textItems.js';
import { loadModel } from '../../../src/model/index.js';
import { useFolder } from '../data/files.js';

const { dir, put } = useFolder();

describe('plain text', () => {
  it('is cut into windows whose tokens are those of the file', async () => {
    const model = await loadModel('embedded');
    const text = 'The shop is open on Monday, and on Sunday it is closed. '.repeat(20);
    const paths = [put('a/one.txt', text), put('b/one.txt', 'Two words'), put('b/two.txt', 'Ünï')];
    const [first, second, third] = await loadTexts(paths, model, { window: 32, stride: 16 });
    const ids = model.tokenizer.encode(text);
    const { addBos, bosId } = model.tokenizer;
    const all = addBos ? [bosId!, ...ids] : ids;
    const targets = first!.items.flatMap(({ tokens, lossMask }) => [...tokens].filter((_, i) => lossMask[i] === 1));
    expect(targets).toEqual(all.slice(1));
    // Files of one name are told apart.
    expect([first!.name, third!.name]).toEqual([paths[0], 'two.txt']);
    expect([second!.words, second!.bytes, third!.bytes]).toEqual([2, 9, 5]);
  });

  it('says what does not fit', async () => {
    const model = await loadModel('embedded');
    const file = put('a.txt', 'Some words here.');
    const { contextLength } = model.description;
    for (const choice of [
      { window: contextLength + 1 },
      { window: 1 },
      { window: 8, stride: 9 },
      { window: 8, stride: 0 },
    ])
      await expect(loadTexts([file], model, choice)).rejects.toMatchObject({ name: 'ConfigError' });
    writeFileSync(join(dir(), 'latin.txt'), Buffer.from([0x63, 0x61, 0x66, 0xe9]));
    await expect(loadTexts([join(dir(), 'latin.txt')], model)).rejects.toMatchObject({ code: 'BAD_ENCODING' });
    await expect(loadTexts([join(dir(), 'none.txt')], model)).rejects.toMatchObject({ code: 'DATA_NOT_FOUND' });
    await expect(loadTexts([dir()], model)).rejects.toMatchObject({ code: 'DATA_NOT_FOUND' });
    await expect(loadTexts([put('empty.txt', '')], model)).rejects.toMatchObject({ code: 'NO_EXAMPLES' });
  });
});
