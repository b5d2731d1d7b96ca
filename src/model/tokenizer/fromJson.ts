import { Tokenizer as Library } from '@huggingface/tokenizers';
import { ModelError } from '../../errors.js';
import { LIMITS } from '../architecture.js';
import type { Json } from '../hf/json.js';
import { exactNormalizer, exactPreTokenizer, prefixOf } from './exact.js';
import { LibraryTokenizer, type TokenizerIds, type TokenizerJson } from './library.js';
import { END_OF_TURN } from './roles.js';
import type { Tokenizer } from './types.js';

/** The three files that say how a Hugging Face model tokenises. */
export interface TokenizerFiles {
  /** tokenizer.json */
  readonly tokenizer: Json;
  /** tokenizer_config.json */
  readonly settings: Json;
  /** config.json */
  readonly config: Json;
  /** Folder or file, for messages. */
  readonly where: string;
}

/** What the library runs; it takes anything else for something else instead of refusing it. */
export const MODEL_TYPES = ['BPE', 'Unigram', 'WordPiece'];

function bad(where: string, message: string): ModelError {
  return new ModelError('BAD_TOKENIZER', `The tokenizer of ${where} cannot be used: ${message}.`);
}

/** Entries of `model.vocab`: an object of ids, or for Unigram a list whose places are the ids. */
function vocabularyOf({ tokenizer, where }: TokenizerFiles): Map<string, number> {
  const model = tokenizer.model as Json | undefined;
  if (!MODEL_TYPES.includes(String(model?.type))) {
    throw bad(where, `its model is "${String(model?.type)}"; known are ${MODEL_TYPES.join(', ')}`);
  }
  const vocab = model?.vocab;
  if (Array.isArray(vocab)) return new Map(vocab.map((entry, id) => [String((entry as unknown[])?.[0]), id]));
  if (typeof vocab !== 'object' || vocab === null) throw bad(where, 'tokenizer.json has no model.vocab');
  return new Map(Object.entries(vocab as Record<string, number>));
}

function checked(files: TokenizerFiles, rows: number): { json: TokenizerJson; ids: Map<string, number>; size: number } {
  const { tokenizer, where } = files;
  const added = tokenizer.added_tokens ?? [];
  if (!Array.isArray(added)) throw bad(where, '"added_tokens" is not a list');
  const ids = vocabularyOf(files);
  for (const token of added) {
    if (typeof token?.content !== 'string' || token.content === '') throw bad(where, 'an added token has no content');
    ids.set(token.content, token.id);
  }
  let size = 0;
  for (const [token, id] of ids) {
    if (!Number.isInteger(id) || id < 0 || id >= LIMITS.vocab.max) {
      throw bad(where, `token ${JSON.stringify(token.slice(0, 40))} has id ${id}`);
    }
    // Tokens beyond the embedding (a `<pad>` that somebody added) do no harm while no text needs them, as in transformers.
    if (id < rows) size = Math.max(size, id + 1);
    else ids.delete(token);
  }
  // The library looks for these keys; converters leave out those that are null.
  const defaults = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  const part = (config: unknown, make: (config: Json) => Json): Json | null => {
    if (config === null || config === undefined) return null;
    try {
      return make(config as Json);
    } catch (cause) {
      const advice = 'Take a GGUF file of the model, whose tokenizer is read otherwise';
      throw bad(where, `${(cause as Error).message}. ${advice}`);
    }
  };
  const pre_tokenizer = part(tokenizer.pre_tokenizer, exactPreTokenizer);
  const own = part(tokenizer.normalizer, exactNormalizer);
  const prefix = prefixOf(tokenizer.pre_tokenizer as Json | null);
  const normalizer =
    prefix === undefined ? own : { type: 'Sequence', normalizers: [...(own === null ? [] : [own]), prefix] };
  const json = { ...defaults, ...tokenizer, normalizer, pre_tokenizer, added_tokens: added };
  return { json: json as unknown as TokenizerJson, ids, size };
}

/** A token of tokenizer_config.json is a text, or an object with the text as `content`. */
function tokenText(value: unknown): string | undefined {
  const text = typeof value === 'object' && value !== null ? (value as Json).content : value;
  return typeof text === 'string' ? text : undefined;
}

/** Whether the tokenizer itself puts BOS in front. */
function addsBos(json: TokenizerJson, settings: Json, bosId: number | undefined, where: string): boolean {
  if (bosId === undefined) return false;
  if (typeof settings.add_bos_token === 'boolean') return settings.add_bos_token;
  try {
    return new Library(json, {}).encode('a').ids[0] === bosId;
  } catch (cause) {
    throw bad(where, cause instanceof Error ? cause.message : String(cause));
  }
}

/**
 * The tokenizer of a Hugging Face folder. `rows` is the number of rows of the embedding. Throws ModelError
 * BAD_TOKENIZER.
 */
export function tokenizerFromJson(files: TokenizerFiles, rows: number): Tokenizer {
  const { json, ids, size } = checked(files, rows);
  const { settings, config } = files;
  const idOf = (name: 'bos' | 'eos' | 'unk'): number | undefined => {
    const text = tokenText(settings[`${name}_token`]);
    const listed = config[`${name}_token_id`];
    const first = Array.isArray(listed) ? listed[0] : listed;
    const found = (text === undefined ? undefined : ids.get(text)) ?? first;
    return Number.isInteger(found) && (found as number) >= 0 && (found as number) < size
      ? (found as number)
      : undefined;
  };
  const bosId = idOf('bos');
  const roles: TokenizerIds = {
    vocabSize: size,
    bosId,
    eosId: idOf('eos'),
    eotId: END_OF_TURN.map((name) => ids.get(name)).find((id) => id !== undefined),
    unkId: idOf('unk'),
    addBos: addsBos(json, settings, bosId, files.where),
  };
  return new LibraryTokenizer(json, roles, files.where);
}
