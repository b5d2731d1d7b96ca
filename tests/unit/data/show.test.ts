import { describe, expect, it } from 'vitest';
import { showExample, tokenTexts } from '../../../src/data/show.js';
import { plain } from '../../../src/data/templates/builtin.js';
import { tokenizeExample } from '../../../src/data/tokenize.js';
import { loadModel, type Tokenizer } from '../../../src/model/index.js';
import { tokenizerFromJson } from '../../../src/model/tokenizer/fromJson.js';
import { sentencePieceJson } from '../../support/sentencePiece.js';
import { randomTexts } from '../model/randomTexts.js';

const spm = tokenizerFromJson(
  {
    tokenizer: sentencePieceJson('prepend'),
    settings: { bos_token: '<s>', eos_token: '</s>' },
    config: {},
    where: 'test',
  },
  1000,
);
const { tokenizer: bpe } = await loadModel('embedded');

describe.each<[string, Tokenizer]>([
  ['byte-level', bpe],
  ['SentencePiece', spm],
])('the texts of tokens (%s)', (_, tokenizer) => {
  it('joined are the text', () => {
    for (const text of randomTexts(80, 3, ['\ud800'])) {
      const ids = tokenizer.encode(text);
      expect(tokenTexts(ids, tokenizer).join(''), JSON.stringify(text)).toBe(tokenizer.decode(ids, { special: true }));
    }
  });
});

describe('an example as it is trained', () => {
  const result = tokenizeExample(
    { id: 'x', instruction: 'Say é.', input: '', output: 'é\u001b[31m!' },
    { tokenizer: bpe, template: plain, seqLength: 500 },
  );
  if ('dropped' in result) throw new Error('dropped');

  it('has its targets marked, and nothing that acts on the terminal', () => {
    const text = showExample(result.example, bpe);
    expect(text).toContain('### Instruction\nSay é.\n### Response\n[[é\\u001b[31m!');
    expect(text.endsWith(']]')).toBe(true);
    const colored = showExample(result.example, bpe, { color: true });
    expect(colored).toContain('### Response\n\u001b[32mé\\u001b[31m!');
    expect(colored.endsWith('\u001b[0m')).toBe(true);
  });

  it('is cut in the middle where it is long', () => {
    const text = showExample(result.example, bpe, { maxTokens: 6 });
    expect(text).toContain(`\u2026 ${result.example.tokens.length - 6} tokens \u2026`);
  });
});
