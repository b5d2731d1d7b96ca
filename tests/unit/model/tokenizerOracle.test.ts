import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gguf } from '@huggingface/gguf';
import { Tokenizer as Rust } from 'tokenizers';
import { describe, expect, it } from 'vitest';
import { loadModel, type Tokenizer } from '../../../src/model/index.js';
import { KNOWN_PARTS } from '../../../src/model/tokenizer/exact.js';
import { tokenizerFromJson } from '../../../src/model/tokenizer/fromJson.js';
import { sharedDir } from '../../support/reference.js';
import { randomTexts } from './randomTexts.js';

// The oracle is the Rust library that models are trained with (the package `tokenizers`); ours runs @huggingface/tokenizers.
type Json = Record<string, unknown>;

const TINY = fileURLToPath(new URL('../../../datasets/base/tiny.gguf', import.meta.url));
const SMOLLM2 = join(sharedDir, 'tokenizers/smollm2/tokenizer.json');
const { metadata } = await gguf(TINY, { allowLocalFile: true });
const listOf = (key: string) => (metadata as unknown as Record<string, string[]>)[key]!;
const [tokens, merges] = [listOf('tokenizer.ggml.tokens'), listOf('tokenizer.ggml.merges')];

const added = (contents: readonly string[]) =>
  contents.map((content, id) => {
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return { id, content, special: true, ...flags };
  });
const idsOf = (list: readonly string[]) => Object.fromEntries(list.map((token, id) => [token, id]));
const plainBpe = {
  ...{ type: 'BPE', dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null, ignore_merges: false },
  ...{ unk_token: null, fuse_unk: false, byte_fallback: false },
};
const byteLevel = (use_regex: boolean, add_prefix_space = false) => {
  return { type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex };
};

/** Byte-level BPE with the vocabulary of the embedded base. */
const bytes: Json = {
  ...{ version: '1.0', truncation: null, padding: null, post_processor: null, decoder: byteLevel(true) },
  added_tokens: added(tokens.slice(0, 3)),
  model: { ...plainBpe, vocab: idsOf(tokens), merges },
};
const ofBytes = (pre_tokenizer: Json, normalizer: Json | null = null, model: Json = {}): Json => ({
  ...bytes,
  normalizer,
  pre_tokenizer,
  model: { ...(bytes.model as Json), ...model },
});

/** The words of the embedded base as SentencePiece writes them, with tokens for bytes. */
const hex = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const words = tokens.slice(3).filter((token) => /^[!-~\u0120]+$/.test(token));
const pieces = ['<unk>', '<s>', '</s>', ...hex, ...words.map((word) => word.replaceAll('\u0120', '\u2581'))];
const pieceIds = idsOf(pieces);
const pieceMerges = merges
  .map((merge) => merge.replaceAll('\u0120', '\u2581'))
  .filter((merge) => merge.replace(' ', '') in pieceIds && merge.split(' ').every((half) => half in pieceIds));
const ofPieces = (pre_tokenizer: Json | null, normalizer: Json | null, model: Json): Json => ({
  ...{ version: '1.0', truncation: null, padding: null, post_processor: null, added_tokens: added(pieces.slice(0, 3)) },
  decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }] },
  normalizer,
  pre_tokenizer,
  model,
});
const piecesBpe = {
  ...plainBpe,
  unk_token: '<unk>',
  fuse_unk: true,
  byte_fallback: true,
  vocab: pieceIds,
  merges: pieceMerges,
};
const unigram = (byte_fallback: boolean): Json => {
  const score = (piece: string, id: number) => (id < 259 ? -30 : -8 + Math.min(piece.length, 6));
  return { type: 'Unigram', unk_id: 0, byte_fallback, vocab: pieces.map((piece, id) => [piece, score(piece, id)]) };
};
const metaspace = (prepend_scheme: string, split: boolean) => ({
  type: 'Metaspace',
  replacement: '\u2581',
  prepend_scheme,
  split,
});

const sequence = (...pretokenizers: Json[]): Json => ({ type: 'Sequence', pretokenizers });
const splitBy = (pattern: Json, behavior: string, invert = false) => ({ type: 'Split', pattern, behavior, invert });
const normalizers = (...list: Json[]): Json => ({ type: 'Sequence', normalizers: list });
const space = { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' };
const LINES = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const WORDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+";
const BEHAVIORS = ['Isolated', 'Removed', 'Contiguous', 'MergedWithPrevious', 'MergedWithNext'];

const CASES: Record<string, Json> = {
  gpt2: ofBytes(byteLevel(true)),
  'gpt2 with a space before': ofBytes(byteLevel(true, true)),
  smollm: ofBytes(sequence({ type: 'Digits', individual_digits: true }, byteLevel(true))),
  llama3: ofBytes(sequence(splitBy({ Regex: `${WORDS}|\\p{N}{1,3}|${LINES}` }, 'Isolated'), byteLevel(false)), null, {
    ignore_merges: true,
  }),
  qwen2: ofBytes(sequence(splitBy({ Regex: `${WORDS}|\\p{N}|${LINES}` }, 'Isolated'), byteLevel(false)), {
    type: 'NFC',
  }),
  falcon: ofBytes(
    sequence(
      { type: 'Punctuation', behavior: 'Contiguous' },
      byteLevel(true),
      { type: 'Digits', individual_digits: false },
      splitBy({ Regex: '[0-9][0-9][0-9]' }, 'Isolated'),
    ),
  ),
  llama2: ofPieces(null, normalizers({ type: 'Prepend', prepend: '\u2581' }, space), piecesBpe),
  gemma: ofPieces(splitBy({ String: ' ' }, 'MergedWithPrevious'), space, piecesBpe),
  'mistral, first': ofPieces(metaspace('first', false), null, piecesBpe),
  'metaspace, always': ofPieces(metaspace('always', true), null, piecesBpe),
  'metaspace, never': ofPieces(metaspace('never', true), null, piecesBpe),
  unigram: ofPieces(metaspace('always', true), null, unigram(false)),
  'unigram with bytes': ofPieces(metaspace('always', true), null, unigram(true)),
  'unigram after NFKC': ofPieces(metaspace('first', false), normalizers({ type: 'NFKC' }, space), unigram(true)),
  wordpiece: ofPieces({ type: 'BertPreTokenizer' }, null, {
    ...{ type: 'WordPiece', unk_token: '<unk>', continuing_subword_prefix: '', max_input_chars_per_word: 100 },
    vocab: pieceIds,
  }),
  whitespace: ofBytes(sequence({ type: 'Whitespace' }, byteLevel(false))),
  'whitespace split': ofBytes(sequence({ type: 'WhitespaceSplit' }, byteLevel(false))),
  'bert words': ofBytes(sequence({ type: 'BertPreTokenizer' }, byteLevel(false))),
  'digits together': ofBytes(sequence({ type: 'Digits', individual_digits: false }, byteLevel(false))),
  'what does not match': ofBytes(sequence(splitBy({ Regex: '\\w+|\\s' }, 'Removed', true), byteLevel(false))),
  ...Object.fromEntries(
    BEHAVIORS.flatMap((behavior) => [
      [`punctuation ${behavior}`, ofBytes(sequence({ type: 'Punctuation', behavior }, byteLevel(true)))],
      [`digits ${behavior}`, ofBytes(sequence(splitBy({ Regex: '\\d' }, behavior), byteLevel(false)))],
      [`spaces ${behavior}`, ofBytes(sequence(splitBy({ String: ' ' }, behavior), byteLevel(false)))],
    ]),
  ),
  ...Object.fromEntries(
    ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents'].map((type) => [
      type,
      ofBytes(byteLevel(true), { type }),
    ]),
  ),
  strip: ofBytes(byteLevel(true), { type: 'Strip', strip_left: true, strip_right: true }),
  'strip left': ofBytes(byteLevel(true), { type: 'Strip', strip_left: true, strip_right: false }),
  'bert text': ofBytes(byteLevel(true), {
    ...{ type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: false },
  }),
  replace: ofBytes(byteLevel(true), { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' }),
};

/** A lone surrogate is no text: what UTF-8 makes of it. */
const wellFormed = (text: string) => Buffer.from(text).toString();

const TEXTS = [
  ...[
    '',
    ' ',
    'Hello world',
    '  two  spaces ',
    'tab\tnew\n\nline',
    '\ufb01 \u00b2 \u00bd',
    '\u4f60\u597d \u4e16\u754c',
    '\u{1f600}\u{1f44d}\u{1f3fd}',
  ],
  ...[
    'a\u0085b',
    '\ufeffx',
    '\u0663\u0664',
    '\u2167',
    "I'll  don't",
    '12345',
    '\u2581x',
    '\u00c0\u00c9',
    '\u0000a',
    '\u3000\u5168\u89d2',
  ],
  ...['!?...""', '--', ' \n\u0663', '...a..b.', '1a22b333', '   ', ' a', '\n a'],
  ...randomTexts(300, 11),
].map(wellFormed);

describe('tokenizers of a tokenizer.json give the ids of the Rust library', () => {
  async function differ(json: Json, ours: Tokenizer): Promise<string[]> {
    const rust = Rust.fromString(JSON.stringify(json));
    const asked = TEXTS.map(async (text) => {
      const encoding = await rust.encode(text, null, { addSpecialTokens: false });
      return JSON.stringify(ours.encode(text, { special: true })) === JSON.stringify([...encoding.getIds()])
        ? []
        : [text];
    });
    return (await Promise.all(asked)).flat();
  }
  const read = (json: Json) => tokenizerFromJson({ tokenizer: json, settings: {}, config: {}, where: 'x' }, 1 << 17);

  it.each(Object.entries(CASES))('%s', async (_, json) => {
    expect(await differ(json, read(json))).toEqual([]);
  });

  it('and so does the tokenizer in a GGUF file', async () => {
    expect(await differ(CASES.smollm!, (await loadModel(TINY)).tokenizer)).toEqual([]);
  });

  it.skipIf(!existsSync(SMOLLM2))(`SmolLM2 (skipped where ${SMOLLM2} is not there), its parts and others`, async () => {
    const json = JSON.parse(readFileSync(SMOLLM2, 'utf8')) as Json;
    expect(await differ(json, read(json))).toEqual([]);
    for (const name of ['gpt2', 'llama3', 'qwen2', 'falcon', 'strip']) {
      const { normalizer, pre_tokenizer } = CASES[name]!;
      const mixed = { ...json, normalizer, pre_tokenizer };
      expect(await differ(mixed, read(mixed)), name).toEqual([]);
    }
  });

  it('every part that is taken has a case here', () => {
    const used = JSON.stringify(
      Object.values(CASES).map(({ normalizer, pre_tokenizer }) => [normalizer, pre_tokenizer]),
    );
    for (const type of [...KNOWN_PARTS.normalizers, ...KNOWN_PARTS.preTokenizers])
      expect(used).toContain(`"type":"${type}"`);
  });

  it.each([
    ['a table of SentencePiece', { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } }],
    ['words of fixed length', { pre_tokenizer: { type: 'FixedLength', length: 3 } }],
    ['an unknown part inside of others', { pre_tokenizer: sequence({ type: 'Klingon' }) }],
    ['a list where a part belongs', { normalizer: [] }],
    ['an object without a type', { pre_tokenizer: {} }],
  ])('what would give other ids is refused by name: %s', (_, parts) => {
    const make = () => read({ ...bytes, ...parts });
    expect(make).toThrow(expect.objectContaining({ code: 'BAD_TOKENIZER', message: expect.stringContaining('GGUF') }));
  });
});
