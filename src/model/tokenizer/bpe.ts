import { mergeSymbols } from './merge.js';
import { type PreTokenizer, splitWords } from './preTokenizers.js';
import { RememberedWords } from './remembered.js';
import { splitSpecial } from './special.js';
import type { DecodeOptions, EncodeOptions, Tokenizer } from './types.js';

export interface BpeVocabulary {
  /** Texts of the tokens, each byte as the character that GPT-2 gives it. */
  readonly tokens: readonly string[];
  /** `left right`, best first. */
  readonly merges: readonly string[];
  /** Control tokens by text. */
  readonly special: ReadonlyMap<string, number>;
  /** Tokens that are always cut out of any text. */
  readonly userDefined: ReadonlyMap<string, number>;
  readonly rules: PreTokenizer;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly eotId?: number;
  readonly unkId?: number;
  readonly addBos: boolean;
}

/** GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the others for U+0100 and up. */
const BYTE_CHARS: readonly string[] = (() => {
  let other = 0;
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 255 && byte !== 173);
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : 256 + other++));
})();
const CHAR_BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARS.map((char, byte) => [char, byte]));

/** Byte-level BPE, as GPT-2 and the GGUF files of most later models have it. */
export class BpeTokenizer implements Tokenizer {
  readonly kind = 'bpe';
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly eotId?: number;
  readonly unkId?: number;
  readonly addBos: boolean;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly #vocabulary: BpeVocabulary;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #specialIds: ReadonlySet<number>;
  /** Tokens that stand for their text as it is, not for bytes. */
  readonly #literalIds: ReadonlySet<number>;
  readonly #cut: ReadonlyMap<string, number>;
  readonly #words = new RememberedWords((word) => this.#merge(word));

  constructor(vocabulary: BpeVocabulary) {
    this.#vocabulary = vocabulary;
    this.vocabSize = vocabulary.tokens.length;
    this.addBos = vocabulary.addBos;
    this.specialTokens = vocabulary.special;
    this.bosId = vocabulary.bosId;
    this.eosId = vocabulary.eosId;
    this.eotId = vocabulary.eotId;
    this.unkId = vocabulary.unkId;
    this.#ids = new Map(vocabulary.tokens.map((token, id) => [token, id]));
    this.#ranks = new Map(vocabulary.merges.map((merge, rank) => [merge, rank]));
    this.#specialIds = new Set(vocabulary.special.values());
    this.#literalIds = new Set([...vocabulary.special.values(), ...vocabulary.userDefined.values()]);
    this.#cut = new Map([...vocabulary.userDefined, ...vocabulary.special]);
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const cut = options.special === true ? this.#cut : this.#vocabulary.userDefined;
    const ids: number[] = [];
    for (const part of splitSpecial(text, cut)) {
      if (part.id !== undefined) ids.push(part.id);
      else {
        for (const word of splitWords(part.text, this.#vocabulary.rules)) {
          for (const id of this.#words.idsOf(word)) ids.push(id);
        }
      }
    }
    return ids;
  }

  #merge(word: string): number[] {
    const chars = Array.from(Buffer.from(word, 'utf8'), (byte) => BYTE_CHARS[byte]!);
    if (this.#vocabulary.rules.ignoreMerges) {
      const whole = this.#ids.get(chars.join(''));
      if (whole !== undefined && !this.#specialIds.has(whole)) return [whole];
    }
    const pieces = mergeSymbols(chars, (left, right) => {
      const rank = this.#ranks.get(`${left} ${right}`);
      return rank === undefined ? undefined : -rank;
    });
    return pieces.flatMap((piece) => {
      // As the Hugging Face tokenizers: what the vocabulary lacks is the unknown token only where the BPE model has one,
      // and byte-level models have none, so it is left out.
      const id = this.#ids.get(piece);
      return id === undefined ? [] : [id];
    });
  }

  decode(ids: readonly number[] | Int32Array, options: DecodeOptions = {}): string {
    const bytes: number[] = [];
    for (const id of ids) {
      const token = this.#vocabulary.tokens[id];
      if (token === undefined || (options.special !== true && this.#specialIds.has(id))) continue;
      if (this.#literalIds.has(id)) for (const byte of Buffer.from(token, 'utf8')) bytes.push(byte);
      else for (const char of token) bytes.push(CHAR_BYTES.get(char) ?? 0x3f);
    }
    return Buffer.from(bytes).toString('utf8');
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#vocabulary.tokens[id];
  }
}
