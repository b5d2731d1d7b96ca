import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { BpeTokenizer } from '../../../src/model/tokenizer/bpe.js';
import { mergeSymbols } from '../../../src/model/tokenizer/merge.js';
import { preTokenizer, splitWords } from '../../../src/model/tokenizer/preTokenizers.js';
import { splitSpecial } from '../../../src/model/tokenizer/special.js';
import { SpmTokenizer } from '../../../src/model/tokenizer/spm.js';
import type { Tokenizer } from '../../../src/model/tokenizer/types.js';
import fc from '../../support/properties.js';
import { randomTexts } from './randomTexts.js';

describe('merging', () => {
  const ranks = new Map([
    ['a b', 0],
    ['ab c', 1],
    ['b c', 2],
    ['c c', 3],
  ]);
  const score = (left: string, right: string) =>
    ranks.has(`${left} ${right}`) ? -ranks.get(`${left} ${right}`)! : undefined;
  it.each([
    ['abc', ['abc']],
    ['bc', ['bc']],
    ['abbc', ['ab', 'bc']],
    ['ccc', ['cc', 'c']],
    ['', []],
    ['abcabcc', ['abc', 'abc', 'c']],
  ])('%s', (word, pieces) => {
    expect(mergeSymbols([...word], score)).toEqual(pieces);
  });

  it('takes a word of 300,000 letters in its stride', () => {
    const start = performance.now();
    const pieces = mergeSymbols(
      Array.from({ length: 300_000 }, () => 'c'),
      score,
    );
    expect(pieces).toHaveLength(150_000);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('cutting into words', () => {
  const split = (name: string, text: string) => splitWords(text, preTokenizer(name)!);
  it.each([
    ['gpt-2', "I'm 42 years", ['I', "'m", ' 42', ' years']],
    ['smollm', 'a 42', ['a', ' ', '4', '2']],
    ['llama-bpe', "DON'T 12345", ['DON', "'T", ' ', '123', '45']],
    ['qwen2', 'e\u0301t 42', ['ét', ' ', '4', '2']],
    ['tekken', 'helloWorld', ['hello', 'World']],
    ['default', '1234,x', ['123', '4', ',', 'x']],
  ])('%s', (name, text, words) => {
    expect(split(name, text)).toEqual(words);
  });

  /** The same rules in Oniguruma's syntax, as the tokenizer.json files of these models have them. */
  const TAIL = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
  const WORDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
  it.each([
    ['llama-bpe', `${WORDS}\\p{N}{1,3}|${TAIL}`],
    ['qwen2', `${WORDS}\\p{N}|${TAIL}`],
  ])('%s as the library cuts', (name, Regex) => {
    const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
    const library = new Library(
      {
        added_tokens: [],
        normalizer: name === 'qwen2' ? { type: 'NFC' } : null,
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [{ type: 'Split', pattern: { Regex }, behavior: 'Isolated' }, bytes],
        },
        post_processor: null,
        decoder: null,
        model: { type: 'BPE', vocab: {}, merges: [] },
      },
      {},
    );
    for (const text of randomTexts(300, 3)) {
      const normal = name === 'qwen2' ? text.normalize('NFC') : text;
      const words = splitWords(text, preTokenizer(name)!);
      expect(words.join('')).toBe(normal);
      const expected = library.pre_tokenizer!.pre_tokenize([normal]).map((word: string) => Array.from(word).length);
      expect(
        words.map((word) => Buffer.byteLength(word)),
        JSON.stringify(text),
      ).toEqual(expected);
    }
  });
});

describe('control tokens', () => {
  const special = new Map([
    ['<s>', 1],
    ['<s>>', 2],
  ]);
  it('are cut out, the longest first', () => {
    expect(splitSpecial('a<s>>b<s>', special)).toEqual([
      { text: 'a' },
      { text: '<s>>', id: 2 },
      { text: 'b' },
      { text: '<s>', id: 1 },
    ]);
    expect(splitSpecial('', special)).toEqual([]);
    expect(splitSpecial('a.b', new Map())).toEqual([{ text: 'a.b' }]);
  });

  const bytes = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const tokens = [...bytes, '\u0120', '<end>'];
  const bpe = new BpeTokenizer({
    tokens,
    merges: [],
    special: new Map([['<end>', 95]]),
    userDefined: new Map(),
    rules: preTokenizer('llama-bpe')!,
    addBos: false,
    eosId: 95,
  });
  it('are only text unless asked for', () => {
    expect(bpe.encode('a<end>', { special: true })).toEqual([64, 95]);
    expect(bpe.encode('a<end>')).toEqual([...'a<end>'].map((char) => tokens.indexOf(char)));
    expect(bpe.decode([64, 95])).toBe('a');
    expect(bpe.decode([64, 94, 95], { special: true })).toBe('a <end>');
  });
});

describe('SentencePiece by scores', () => {
  const tokens = ['<unk>', '<s>', '</s>', '<0x41>', '<0xC3>', '<0xA9>', '\u2581', 'a', 'b', 'ab', 'ba', '\u2581a'];
  const scores = [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 3];
  const mergeable = new Map(tokens.slice(6).map((token, i) => [token, i + 6]));
  const byteIds = Array<number | undefined>(256).fill(undefined);
  byteIds[0x41] = 3;
  byteIds[0xc3] = 4;
  byteIds[0xa9] = 5;
  const make = (addSpacePrefix: boolean) =>
    new SpmTokenizer({
      tokens,
      scores,
      special: new Map([
        ['<s>', 1],
        ['</s>', 2],
      ]),
      userDefined: new Map(),
      byteIds,
      mergeable,
      unkId: 0,
      addBos: true,
      addSpacePrefix,
    });
  it('merges the higher score first', () => {
    const spm = make(false);
    expect(spm.encode('aba')).toEqual([9, 7]);
    expect(spm.encode('bab')).toEqual([8, 9]);
    expect(spm.encode('b a')).toEqual([8, 11]);
    expect(make(true).encode('ab')).toEqual([11, 8]);
  });
  it.each([
    ['by words, where no token reaches from one into the next', (token: string) => !/[^\u2581]\u2581/.test(token)],
    ['over words, where one does', () => true],
  ])('merges %s, to the tokens of the whole text', (_, keep) => {
    const letters = ['a', 'b', '\u2581'];
    const part = fc.string({ unit: fc.constantFrom(...letters), minLength: 2, maxLength: 5 });
    const scored = fc.tuple(part.filter(keep), fc.integer({ min: 0, max: 5 }));
    const pieces = fc.uniqueArray(scored, { selector: ([token]) => token, maxLength: 20 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 40 });
    fc.assert(
      fc.property(pieces, text, fc.boolean(), (found, text, addSpacePrefix) => {
        const vocabulary = [...letters, ...found.map(([token]) => token)];
        const scores = [0, 0, 0, ...found.map(([, score]) => score)];
        const mergeable = new Map(vocabulary.map((token, id) => [token, id]));
        const none = { special: new Map<string, number>(), userDefined: new Map<string, number>(), byteIds: [] };
        const spm = new SpmTokenizer({ tokens: vocabulary, scores, mergeable, ...none, addBos: false, addSpacePrefix });
        const spaced = text === '' ? '' : `${addSpacePrefix ? ' ' : ''}${text}`.replaceAll(' ', '\u2581');
        const whole = mergeSymbols([...spaced], (left, right) => scores[mergeable.get(left + right) ?? -1]);
        expect(spm.encode(text).map((id) => vocabulary[id])).toEqual(whole);
      }),
    );
  });
  it('falls back to bytes, then to the unknown token', () => {
    const spm = make(false);
    expect(spm.encode('Aé')).toEqual([3, 4, 5]);
    expect(spm.encode('Z')).toEqual([0]);
    expect(spm.decode([3, 4, 5])).toBe('Aé');
  });
  it('keeps control tokens apart', () => {
    const spm = make(false);
    expect(spm.encode('<s>a', { special: true })).toEqual([1, 7]);
    expect(spm.encode('<s>a')).not.toContain(1);
  });
});

describe('what is remembered of words', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const letters = [...'abcdefghijklmnopqrstuvwxyz0123456789'];
  const none = { special: new Map<string, number>(), userDefined: new Map<string, number>() };
  const spm = [...letters, '\u2581'];
  const made: Record<string, () => Tokenizer> = {
    bpe: () => new BpeTokenizer({ tokens: letters, merges: [], ...none, rules: preTokenizer('gpt-2')!, addBos: false }),
    spm: () =>
      new SpmTokenizer({
        ...{ tokens: spm, scores: spm.map(() => 0), mergeable: new Map(spm.map((token, id) => [token, id])) },
        ...{ ...none, byteIds: [], addBos: false, addSpacePrefix: false },
      }),
  };

  it.each(Object.keys(made))('%s: is not the text around them', (kind) => {
    const tokenizer = made[kind]!();
    const heap = () => {
      gc();
      return process.memoryUsage().heapUsed;
    };
    const before = heap();
    for (let i = 0; i < 30; i++) {
      // Long words are views of their text, and new here in every one.
      const text = `${'a cat on a mat '.repeat(10_000)}word${i}${'x'.repeat(20)}`;
      expect(tokenizer.encode(text).length).toBeGreaterThan(0);
    }
    expect(heap() - before).toBeLessThan(4e6);
  });
});
