export interface EncodeOptions {
  /**
   * Turn the text of control tokens (`<|im_end|>`, `</s>`, ...) into those tokens. Leave it off for text that a user
   * wrote, or the user's text can end a turn. @default false
   */
  readonly special?: boolean;
}

export interface DecodeOptions {
  /** Keep control tokens in the text. @default false */
  readonly special?: boolean;
}

/** Text to token ids and back. Adds no token by itself: see `addBos`. */
export interface Tokenizer {
  /** `bpe`: byte-level BPE; `spm`: SentencePiece by scores; `json`: whatever a tokenizer.json says. */
  readonly kind: 'bpe' | 'spm' | 'json';
  /** Number of ids; every id is below it, and it is at most the rows of the embedding. */
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  /** The token that ends a chat turn, where it is not `eosId`. */
  readonly eotId?: number;
  readonly unkId?: number;
  /** Whether sequences of this model start with `bosId`. */
  readonly addBos: boolean;
  /** Control tokens by their text. */
  readonly specialTokens: ReadonlyMap<string, number>;
  encode(text: string, options?: EncodeOptions): number[];
  decode(ids: readonly number[] | Int32Array, options?: DecodeOptions): string;
  /** The id of a token by its exact text. */
  tokenToId(token: string): number | undefined;
  /** The text of a token as the vocabulary holds it. */
  idToToken(id: number): string | undefined;
}
