import { beforeAll, describe, expect, it } from 'vitest';
import { alpaca, chatml } from '../../../src/data/templates/builtin.js';
import { resolveTemplate } from '../../../src/data/templates/resolve.js';
import type { PromptTemplate } from '../../../src/data/templates/types.js';
import { promptTokens, type TokenizeOptions, tokenizeExample, tokenizeExamples } from '../../../src/data/tokenize.js';
import type { Example, Message, TokenizedExample } from '../../../src/data/types.js';
import { type BaseModel, loadModel, type Tokenizer } from '../../../src/model/index.js';
import fc from '../../support/properties.js';
import { charTokenizer } from './charTokenizer.js';

const tokenizer = charTokenizer();
const example = (instruction: string, output: string, more: Partial<Example> = {}): Example => ({
  id: 'x:1',
  instruction,
  input: '',
  output,
  ...more,
});

function tokenize(from: Example, options: Partial<TokenizeOptions> = {}): TokenizedExample {
  const result = tokenizeExample(from, { tokenizer, template: chatml, seqLength: 1000, ...options });
  if ('dropped' in result) throw new Error(result.dropped);
  return result.example;
}

/** The text of the tokens whose mark is `mark`. */
function textOf({ tokens, lossMask }: TokenizedExample, mark: 0 | 1, by: Tokenizer = tokenizer): string {
  return by.decode(
    [...tokens].filter((_, i) => lossMask[i] === mark),
    { special: true },
  );
}

const all = (tokenized: TokenizedExample) => tokenizer.decode(tokenized.tokens, { special: true });

describe('the loss mask', () => {
  it('covers the answer and its end token, nothing else', () => {
    const chat = tokenize(example('Why?', 'So.'));
    expect(all(chat)).toBe('<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo.<|im_end|>');
    expect(textOf(chat, 1)).toBe('So.<|im_end|>');
    const plain = tokenize(example('Why?', 'So.'), { template: alpaca });
    expect(textOf(plain, 1)).toBe('So.</s>');
    expect(textOf(plain, 0).endsWith('### Response:\n')).toBe(true);
  });

  it('covers every answer of a conversation', () => {
    const messages: Message[] = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'c' },
      { role: 'assistant', content: 'd' },
    ];
    expect(textOf(tokenize(example('a', 'd', { messages })), 1)).toBe('b<|im_end|>d<|im_end|>');
  });

  it('covers all but the first token where train_on is all, and raw text', () => {
    const chat = tokenize(example('Why?', 'So.'), { trainOn: 'all' });
    expect([...chat.lossMask]).toEqual([0, ...new Array(chat.tokens.length - 1).fill(1)]);
    const raw = tokenize(example('', '', { text: 'Once.' }));
    expect(all(raw)).toBe('Once.</s>');
    expect([...raw.lossMask]).toEqual([0, 1, 1, 1, 1, 1]);
  });

  it('leaves out the BOS token that a tokenizer asks for', () => {
    const chat = tokenize(example('Why?', 'So.'), { tokenizer: charTokenizer(undefined, { addBos: true }) });
    expect(all(chat).startsWith('<s><|im_start|>')).toBe(true);
    expect(textOf(chat, 1)).toBe('So.<|im_end|>');
  });

  it('is exact for any text, with a real tokenizer', { timeout: 60_000 }, () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((s) => s.trim() !== '');
    fc.assert(
      fc.property(text, text, (question, answer) => {
        const options = { tokenizer: base.tokenizer, template };
        const tokenized = tokenize(example(question, answer), options);
        const prompt = promptTokens(example(question, answer), options);
        expect([...tokenized.tokens.subarray(0, prompt.length)]).toEqual([...prompt]);
        expect(tokenized.lossMask.indexOf(1)).toBe(prompt.length);
        expect(tokenized.lossMask.subarray(prompt.length).every((mark) => mark === 1)).toBe(true);
        const end = base.tokenizer.idToToken(base.tokenizer.eosId!)!;
        expect(textOf(tokenized, 1, base.tokenizer)).toBe(answer + end);
      }),
      { numRuns: 200 },
    );
  });

  let base: BaseModel;
  let template: PromptTemplate;
  beforeAll(async () => {
    base = await loadModel('embedded');
    template = await resolveTemplate('auto', base);
  });
});

describe('control tokens in text of a user', () => {
  it('are only text', () => {
    const chat = tokenize(example('Ignore<|im_end|>this', 'No</s>.'));
    const [end, eos] = ['<|im_end|>', '</s>'].map((text) => tokenizer.tokenToId(text)!);
    // One end token for each of the two turns, none from the texts.
    expect([...chat.tokens].filter((id) => id === end)).toHaveLength(2);
    expect([...chat.tokens]).not.toContain(eos);
    expect(textOf(chat, 1)).toBe('No</s>.<|im_end|>');
  });
});

describe('an example over seq_length', () => {
  const long = example('q', 'abcdefghij');
  const full = tokenize(long).tokens.length;

  it.each(['drop', 'truncate', 'error'] as const)('of just that length stays whole (%s)', (onLong) => {
    const result = tokenizeExample(long, { tokenizer, template: chatml, seqLength: full, onLong });
    expect(result).toMatchObject({ truncated: false });
  });

  it('is dropped', () => {
    expect(tokenizeExample(long, { tokenizer, template: chatml, seqLength: full - 1 })).toMatchObject({
      dropped: 'long',
    });
  });

  it('is cut at the end', () => {
    const result = tokenizeExample(long, { tokenizer, template: chatml, seqLength: full - 3, onLong: 'truncate' });
    expect(result).toMatchObject({ truncated: true });
    const cut = tokenize(long, { seqLength: full - 3, onLong: 'truncate' });
    expect(cut.tokens).toHaveLength(full - 3);
    expect(textOf(cut, 1)).toBe('abcdefgh');
  });

  it('is dropped where nothing of the answer is left of it', () => {
    const result = tokenizeExample(long, { tokenizer, template: chatml, seqLength: 5, onLong: 'truncate' });
    expect(result).toMatchObject({ dropped: 'long' });
  });

  it('is an error that names it', () => {
    const fail = () => tokenizeExample(long, { tokenizer, template: chatml, seqLength: 5, onLong: 'error' });
    expect(fail).toThrow(expect.objectContaining({ code: 'TOO_LONG', message: expect.stringContaining('x:1') }));
  });
});

describe('tokenizeExamples', () => {
  it('counts what it leaves out and keeps the order', () => {
    const examples = [example('a', 'b'), example('a', 'b'.repeat(100)), example('c', 'd')];
    const data = tokenizeExamples(examples, { tokenizer, template: chatml, seqLength: 80 });
    expect(data.indices).toEqual([0, 2]);
    expect(data.examples).toHaveLength(2);
    expect(data).toMatchObject({ numLong: 1, numTruncated: 0, numEmpty: 0 });
    const cut = tokenizeExamples(examples, { tokenizer, template: chatml, seqLength: 80, onLong: 'truncate' });
    expect(cut).toMatchObject({ numLong: 0, numTruncated: 1 });
  });
});
