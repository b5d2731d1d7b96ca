import { mergeSymbols } from './merge.js';
import { RememberedWords } from './remembered.js';
import { splitSpecial } from './special.js';
import type { DecodeOptions, EncodeOptions, Tokenizer } from './types.js';

export interface SpmVocabulary {
  readonly tokens: readonly string[];
  /** One a token; of two possible merges the higher score goes first. */
  readonly scores: readonly number[];
  /** Control tokens by text. */
  readonly special: ReadonlyMap<string, number>;
  /** Tokens that are always cut out of any text. */
  readonly userDefined: ReadonlyMap<string, number>;
  /** Id of the token of each byte, 256 values; undefined where the vocabulary has none. */
  readonly byteIds: readonly (number | undefined)[];
  /** Ids that text may merge into: neither control, unknown, byte nor unused tokens. */
  readonly mergeable: ReadonlyMap<string, number>;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly eotId?: number;
  readonly unkId?: number;
  readonly addBos: boolean;
  /** Text starts with a space that is not there. */
  readonly addSpacePrefix: boolean;
}

const SPACE = '\u2581';
/** Before a space that follows something else. */
const BETWEEN_WORDS = /(?<=[^\u2581])(?=\u2581)/;

/**
 * SentencePiece BPE with scores, as GGUF files of the first llamas hold it: neighbours merge while the vocabulary has
 * their concatenation, highest score first; what is left over and unknown becomes bytes.
 */
export class SpmTokenizer implements Tokenizer {
  readonly kind = 'spm';
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly eotId?: number;
  readonly unkId?: number;
  readonly addBos: boolean;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly #vocabulary: SpmVocabulary;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #bytes: ReadonlyMap<number, number>;
  readonly #specialIds: ReadonlySet<number>;
  readonly #cut: ReadonlyMap<string, number>;
  /** No token reaches from one word into the next: then no merge does, and each word is merged by itself. */
  readonly #byWord: boolean;
  readonly #words = new RememberedWords((word) => this.#merge(word));

  constructor(vocabulary: SpmVocabulary) {
    this.#vocabulary = vocabulary;
    this.vocabSize = vocabulary.tokens.length;
    this.addBos = vocabulary.addBos;
    this.specialTokens = vocabulary.special;
    this.bosId = vocabulary.bosId;
    this.eosId = vocabulary.eosId;
    this.eotId = vocabulary.eotId;
    this.unkId = vocabulary.unkId;
    this.#ids = new Map(vocabulary.tokens.map((token, id) => [token, id]));
    this.#bytes = new Map(vocabulary.byteIds.flatMap((id, byte) => (id === undefined ? [] : [[id, byte] as const])));
    this.#specialIds = new Set(vocabulary.special.values());
    this.#cut = new Map([...vocabulary.userDefined, ...vocabulary.special]);
    this.#byWord = ![...vocabulary.mergeable.keys()].some((token) => BETWEEN_WORDS.test(token));
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const cut = options.special === true ? this.#cut : this.#vocabulary.userDefined;
    const ids: number[] = [];
    // As llama.cpp: a space goes before the first word and before a word that follows a cut-out token.
    for (const part of splitSpecial(text, cut)) {
      if (part.id !== undefined) ids.push(part.id);
      else {
        const spaced = `${this.#vocabulary.addSpacePrefix ? ' ' : ''}${part.text}`.replaceAll(' ', SPACE);
        for (const word of this.#byWord ? spaced.split(BETWEEN_WORDS) : [spaced]) {
          for (const id of this.#words.idsOf(word)) ids.push(id);
        }
      }
    }
    return ids;
  }

  #merge(text: string): number[] {
    const { mergeable, scores } = this.#vocabulary;
    const pieces = mergeSymbols(Array.from(text), (left, right) => {
      const id = mergeable.get(left + right);
      return id === undefined ? undefined : scores[id]!;
    });
    return pieces.flatMap((piece) => this.#idsOf(piece));
  }

  #idsOf(piece: string): number[] {
    const id = this.#vocabulary.mergeable.get(piece);
    if (id !== undefined) return [id];
    const bytes = Array.from(Buffer.from(piece, 'utf8'), (byte) => this.#vocabulary.byteIds[byte] ?? this.unkId);
    return bytes.filter((known) => known !== undefined);
  }

  decode(ids: readonly number[] | Int32Array, options: DecodeOptions = {}): string {
    const pieces: Buffer[] = [];
    for (const id of ids) {
      const token = this.#vocabulary.tokens[id];
      if (token === undefined || (options.special !== true && this.#specialIds.has(id))) continue;
      const byte = this.#bytes.get(id);
      pieces.push(byte === undefined ? Buffer.from(token.replaceAll(SPACE, ' '), 'utf8') : Buffer.of(byte));
    }
    const text = Buffer.concat(pieces).toString('utf8');
    return this.#vocabulary.addSpacePrefix && text.startsWith(' ') ? text.slice(1) : text;
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#vocabulary.tokens[id];
  }
}
