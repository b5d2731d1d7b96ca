import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeSegments } from '../../../src/data/encode.js';
import type { Segment } from '../../../src/data/templates/types.js';
import { hasSpecial, loadModel, type Tokenizer } from '../../../src/model/index.js';
import { tokenizerFromJson } from '../../../src/model/tokenizer/fromJson.js';
import { sharedDir } from '../../support/reference.js';
import { type SpaceRule, sentencePieceJson } from '../../support/sentencePiece.js';
import { randomTexts } from '../model/randomTexts.js';

const RULES: readonly SpaceRule[] = ['prepend', 'metaspace-first', 'metaspace-always'];
const GGUF = ['SmolLM2-135M-Instruct.Q4_1', 'stories260K', 'babyllama-1M', 'random-qwen2', 'random-qwen3'];
const SMOLLM2 = join(sharedDir, 'tokenizers', 'smollm2', 'tokenizer.json');

const fromJson = (json: Record<string, unknown>, rows: number, where: string): Tokenizer =>
  tokenizerFromJson({ tokenizer: json, settings: { bos_token: '<s>', eos_token: '</s>' }, config: {}, where }, rows);

/** Every tokenizer at hand by its name; those of the shared material where it is present. */
const AT_HAND: Readonly<Record<string, () => Promise<Tokenizer>>> = {
  embedded: async () => (await loadModel('embedded')).tokenizer,
  ...Object.fromEntries(RULES.map((rule) => [rule, async () => fromJson(sentencePieceJson(rule), 1000, rule)])),
  ...Object.fromEntries(
    GGUF.map((name) => [name, async () => (await loadModel(join(sharedDir, 'models', `${name}.gguf`))).tokenizer]),
  ),
  'smollm2 json': async () => fromJson(JSON.parse(readFileSync(SMOLLM2, 'utf8')), 49_152, SMOLLM2),
};
const present = (name: string): boolean =>
  GGUF.includes(name)
    ? existsSync(join(sharedDir, 'models', `${name}.gguf`))
    : name !== 'smollm2 json' || existsSync(SMOLLM2);

/** Adds neither BOS nor an end token. */
const withoutEnds = (tokenizer: Tokenizer): Tokenizer => ({
  kind: tokenizer.kind,
  vocabSize: tokenizer.vocabSize,
  specialTokens: tokenizer.specialTokens,
  addBos: false,
  encode: (part, options) => tokenizer.encode(part, options),
  decode: (ids, options) => tokenizer.decode(ids, options),
  tokenToId: (token) => tokenizer.tokenToId(token),
  idToToken: (id) => tokenizer.idToToken(id),
});

const text = (part: string, target = false): Segment => ({ text: part, source: 'user', target });
const own = (part: string, target = false): Segment => ({ text: part, source: 'template', target });
const joined = (segments: readonly Segment[]) => segments.map((segment) => segment.text).join('');

/** Conversations whose borders lie behind control tokens, line ends, spaces, letters. */
function conversations(tokenizer: Tokenizer): Segment[][] {
  const [first = '', second = first] = [...tokenizer.specialTokens.keys()].filter((name) => !/unk|0x/.test(name));
  const texts = randomTexts(300, 7).filter((one) => !hasSpecial(one, tokenizer.specialTokens));
  return Array.from({ length: Math.floor(texts.length / 2) }, (_, i) => {
    const [question, answer] = [texts[2 * i]!, texts[2 * i + 1]!];
    const shapes: Segment[][] = [
      [own('### Q\n'), text(question), own('\n### A\n'), text(answer, true)],
      [
        own(`${first}user: `),
        text(question),
        own(`${second}\n${first}bot:`),
        text(` ${answer}`, true),
        own(second, true),
      ],
      [text(question), text(answer, true)],
      [
        own('[Q] '),
        text(question),
        own(' [/Q]'),
        text(` ${answer}`, true),
        own(`${second}${first}[Q] `),
        text(question),
        own(' [/Q]'),
        text(answer, true),
      ],
    ];
    return shapes[i % shapes.length]!;
  });
}

const NAMES = Object.keys(AT_HAND).map((name) => [name, present(name) ? '' : ' (needs the shared material)'] as const);

describe.each(NAMES)('the border of prompt and answer: %s%s', (name) => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    if (present(name)) tokenizer = await AT_HAND[name]!();
  });

  it.skipIf(!present(name))('lies between two tokens of the whole text, or splits the one that straddles it', () => {
    // Without BOS and an end token of its own the ids are those of the text.
    const bare = withoutEnds(tokenizer);
    let split = 0;
    for (const segments of conversations(tokenizer)) {
      const whole = tokenizer.encode(joined(segments), { special: true });
      const { ids, marks, splits } = encodeSegments(segments, bare);
      const at = JSON.stringify(segments.map((segment) => segment.text));
      expect(marks).toHaveLength(ids.length);
      if (splits === 0) expect(ids, at).toEqual(whole);
      else {
        split++;
        // Cut, not changed: the text is the same.
        expect(tokenizer.decode(ids, { special: true }), at).toBe(tokenizer.decode(whole, { special: true }));
      }
      // Before the first target stands the prompt as it is encoded at inference.
      const first = segments.findIndex((segment) => segment.target);
      const prompt = segments.slice(0, first);
      const border = marks.indexOf(1);
      if (border >= 0) expect(ids.slice(0, border), at).toEqual(tokenizer.encode(joined(prompt), { special: true }));
    }
    expect(split).toBeLessThan(conversations(tokenizer).length / 2);
  });

  it.skipIf(!present(name))('marks the text of the answer, no more and no less', () => {
    for (const answer of ['The end.', 'the', '  x', '\nNew', '42']) {
      const { ids, marks } = encodeSegments(
        [own('### Q\n'), text('Say it.'), own('\n### A\n'), text(answer, true)],
        tokenizer,
      );
      const targets = ids.filter((_, i) => marks[i] === 1);
      const prompt = ids.filter((_, i) => marks[i] === 0);
      const whole = tokenizer.decode(ids);
      expect(whole.length).toBeGreaterThan(0);
      expect(tokenizer.decode(prompt)).toBe(
        whole.slice(0, whole.length - tokenizer.decode(ids).length + tokenizer.decode(prompt).length),
      );
      // What decoding puts in front of text that is not at the start does not count.
      if (tokenizer.encode(answer).every((id) => id !== tokenizer.unkId)) {
        expect(whole.endsWith(answer), `${answer} in ${JSON.stringify(whole)}`).toBe(true);
        expect(tokenizer.decode(prompt).endsWith('\n'), answer).toBe(true);
        expect(targets.length).toBeGreaterThan(0);
      }
    }
  });
});

describe('SentencePiece', () => {
  it('puts no space before an answer that has none', async () => {
    for (const rule of RULES) {
      const tokenizer = fromJson(sentencePieceJson(rule), 1000, rule);
      const { ids, marks } = encodeSegments([own('Q\n'), text('The', true)], tokenizer);
      expect(tokenizer.idToToken(ids[marks.indexOf(1)]!), rule).toBe('T');
    }
  });

  it('splits a token that straddles the border, and says so', () => {
    const tokenizer = fromJson(sentencePieceJson('prepend'), 1000, 'test');
    const { ids, marks, splits } = encodeSegments([text('n.'), text('Then', true)], tokenizer);
    expect(splits).toBe(1);
    const tokens = ids.map((id) => tokenizer.idToToken(id));
    expect(tokens.filter((_, i) => marks[i] === 0).join('')).toBe('\u2581n.');
    expect(tokens.filter((_, i) => marks[i] === 1).join('')).toBe('Then</s>');
  });
});
