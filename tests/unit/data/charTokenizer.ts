import { splitSpecial, type Tokenizer } from '../../../src/model/index.js';

const CONTROL = 0x110000;

/** A character is a token, its id the code point; control tokens come after them. Borders of tokens are plain to see. */
export function charTokenizer(
  special: readonly string[] = ['<s>', '</s>', '<|im_start|>', '<|im_end|>'],
  settings: Partial<Tokenizer> = {},
): Tokenizer {
  const specialTokens = new Map(special.map((text, i) => [text, CONTROL + i]));
  const texts = new Map([...specialTokens].map(([text, id]) => [id, text]));
  const characters = (text: string) => Array.from(text, (character) => character.codePointAt(0)!);
  const idToToken = (id: number) => texts.get(id) ?? String.fromCodePoint(id);
  return {
    kind: 'bpe',
    vocabSize: CONTROL + special.length,
    ...(specialTokens.has('<s>') ? { bosId: specialTokens.get('<s>')! } : {}),
    ...(specialTokens.has('</s>') ? { eosId: specialTokens.get('</s>')! } : {}),
    ...(specialTokens.has('<|im_end|>') ? { eotId: specialTokens.get('<|im_end|>')! } : {}),
    addBos: false,
    specialTokens,
    encode: (text, options) =>
      options?.special
        ? splitSpecial(text, specialTokens).flatMap((part) =>
            part.id === undefined ? characters(part.text) : [part.id],
          )
        : characters(text),
    decode: (ids) => Array.from(ids, idToToken).join(''),
    tokenToId: (token) => specialTokens.get(token) ?? token.codePointAt(0),
    idToToken,
    ...settings,
  };
}
