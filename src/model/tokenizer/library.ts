import { Tokenizer as Library } from '@huggingface/tokenizers';
import { ModelError } from '../../errors.js';
import type { DecodeOptions, EncodeOptions, Tokenizer } from './types.js';

/** An entry of `added_tokens` in a tokenizer.json. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  readonly single_word?: boolean;
  readonly normalized?: boolean;
}

/** A tokenizer.json, as far as this file looks into it. */
export interface TokenizerJson {
  readonly added_tokens: readonly AddedToken[];
  readonly model: { readonly ignore_merges?: boolean; readonly vocab: unknown } & Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

export interface TokenizerIds {
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly eotId?: number;
  readonly unkId?: number;
  readonly addBos: boolean;
}

function construct(json: object, where: string): Library {
  try {
    return new Library(json, { clean_up_tokenization_spaces: false });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ModelError('BAD_TOKENIZER', `The tokenizer of ${where} cannot be used: ${reason}.`, { cause });
  }
}

/** A model that looks whole words up (`ignore_merges`) must not find control tokens in text of users. */
function withoutSpecial(json: TokenizerJson, special: ReadonlyMap<string, number>): TokenizerJson {
  const added_tokens = json.added_tokens.filter((token) => !token.special);
  const { vocab } = json.model;
  if (json.model.ignore_merges !== true || typeof vocab !== 'object' || vocab === null)
    return { ...json, added_tokens };
  const kept = Object.fromEntries(Object.entries(vocab).filter(([token]) => !special.has(token)));
  return { ...json, added_tokens, model: { ...json.model, vocab: kept } };
}

/** A tokenizer.json run by @huggingface/tokenizers. */
export class LibraryTokenizer implements Tokenizer {
  readonly kind = 'json';
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly eotId?: number;
  readonly unkId?: number;
  readonly addBos: boolean;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly #specialIds: ReadonlyMap<number, string>;
  /** Knows no control tokens. */
  readonly #plain: Library;
  /** Knows them all; made when first needed. */
  #full: Library | undefined;
  readonly #byteIds: readonly (number | undefined)[] | undefined;
  readonly #json: TokenizerJson;
  readonly #where: string;

  constructor(json: TokenizerJson, ids: TokenizerIds, where: string) {
    this.vocabSize = ids.vocabSize;
    this.bosId = ids.bosId;
    this.eosId = ids.eosId;
    this.eotId = ids.eotId;
    this.unkId = ids.unkId;
    this.addBos = ids.addBos;
    // Those beyond the embedding are none that a text may be cut at.
    const special = json.added_tokens.filter(({ special, id }) => special && id < ids.vocabSize);
    this.specialTokens = new Map(special.map(({ content, id }) => [content, id]));
    this.#specialIds = new Map(special.map(({ content, id }) => [id, content]));
    this.#json = json;
    this.#where = where;
    this.#plain = construct(withoutSpecial(json, this.specialTokens), where);
    // The library knows the bytes of BPE models only.
    if (json.model.type === 'Unigram' && json.model.byte_fallback === true) {
      const name = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
      this.#byteIds = Array.from({ length: 256 }, (_, byte) => this.#plain.token_to_id(name(byte)));
    }
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    if (options.special !== true || this.specialTokens.size === 0) return this.#run(this.#plain, text);
    this.#full ??= construct(this.#json, this.#where);
    return this.#run(this.#full, text);
  }

  #isUnknown(token: string, id: number | undefined): boolean {
    return id === undefined || this.#plain.id_to_token(id) !== token;
  }

  /** What the vocabulary lacks, byte by byte; undefined where it lacks bytes too. */
  #bytesOf(token: string): number[] | undefined {
    const ids = Array.from(Buffer.from(token, 'utf8'), (byte) => this.#byteIds![byte]);
    return ids.every((id) => id !== undefined) ? ids : undefined;
  }

  /** The library drops what it cannot encode when there is no unknown token, and gives `undefined` ids otherwise. */
  #run(library: Library, text: string): number[] {
    if (text === '') return [];
    const { ids, tokens } = library.encode(text, { add_special_tokens: false });
    return ids.flatMap((id: number | undefined, i: number) => {
      const bytes =
        this.#byteIds !== undefined && this.#isUnknown(tokens[i]!, id) ? this.#bytesOf(tokens[i]!) : undefined;
      if (bytes !== undefined) return bytes;
      const known = id ?? this.unkId;
      if (known !== undefined && known < this.vocabSize) return known;
      const text = this.#plain.id_to_token(id ?? -1) ?? this.#full?.id_to_token(id ?? -1);
      throw new ModelError(
        'BAD_TOKENIZER',
        `The tokenizer of ${this.#where} gave ${text === undefined ? '' : `token "${text}", `}id ${id}, but the model has ` +
          `${this.vocabSize} tokens. Leave such text out of the data, or add the missing rows to the model.`,
      );
    });
  }

  decode(ids: readonly number[] | Int32Array, options: DecodeOptions = {}): string {
    const kept = options.special === true ? Array.from(ids) : Array.from(ids).filter((id) => !this.#specialIds.has(id));
    const groups: string[] = [];
    let run: number[] = [];
    const flush = () => {
      if (run.length > 0) groups.push(this.#plain.decode(run, { skip_special_tokens: false }));
      run = [];
    };
    for (const id of kept) {
      const special = this.#specialIds.get(id);
      if (special === undefined) {
        if (this.#plain.id_to_token(id) !== undefined) run.push(id);
        continue;
      }
      flush();
      groups.push(special);
    }
    flush();
    return groups.join('');
  }

  tokenToId(token: string): number | undefined {
    return this.specialTokens.get(token) ?? this.#plain.token_to_id(token);
  }

  idToToken(id: number): string | undefined {
    return this.#specialIds.get(id) ?? this.#plain.id_to_token(id);
  }
}
