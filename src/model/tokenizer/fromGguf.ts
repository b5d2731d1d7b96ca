import { ModelError } from '../../errors.js';
import type { GgufMetadata } from '../gguf/metadata.js';
import { BpeTokenizer } from './bpe.js';
import { looksLikeControl } from './controlTokens.js';
import type { TokenizerIds } from './library.js';
import { preTokenizer, preTokenizerNames } from './preTokenizers.js';
import { END_OF_TURN } from './roles.js';
import { SpmTokenizer } from './spm.js';
import type { Tokenizer } from './types.js';

/** `tokenizer.ggml.token_type`. */
const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

function bad(meta: GgufMetadata, message: string): ModelError {
  return new ModelError('BAD_TOKENIZER', `The tokenizer of ${meta.path} cannot be used: ${message}.`);
}

/** Told what is strange about a file but no reason to refuse it. */
type Warn = (sentence: string) => void;

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
}

function vocabularyOf(meta: GgufMetadata, rows: number, warn: Warn): Vocabulary {
  const tokens = meta.strings('tokenizer.ggml.tokens');
  if (tokens === undefined || tokens.length === 0) throw bad(meta, 'it has no tokenizer.ggml.tokens');
  if (tokens.length > rows) throw bad(meta, `it has ${tokens.length} tokens but the embedding has ${rows} rows`);
  const types = meta.numbers('tokenizer.ggml.token_type') ?? Array<number>(tokens.length).fill(NORMAL);
  if (types.length !== tokens.length) throw bad(meta, `it has ${tokens.length} tokens but ${types.length} token types`);
  const mistyped = (id: number) =>
    (types[id] === NORMAL || types[id] === USER_DEFINED) && looksLikeControl(tokens[id]!);
  const wrong = tokens.flatMap((token, id) => (mistyped(id) ? [token] : []));
  if (wrong.length > 0) {
    const some = `${wrong.slice(0, 5).join(', ')}${wrong.length > 5 ? `, ... (${wrong.length})` : ''}`;
    warn(`${meta.path} types ${some} as ordinary tokens; they are taken as control tokens, as llama.cpp does.`);
  }
  return { tokens, types: types.map((type, id) => (mistyped(id) ? CONTROL : type)) };
}

/** Ids of the special roles; `-1` and ids past the vocabulary are what converters write for "none". */
function idsOf(meta: GgufMetadata, { tokens }: Vocabulary): Omit<TokenizerIds, 'addBos'> {
  const id = (name: string, fallback?: number): number | undefined => {
    const value = meta.number(`tokenizer.ggml.${name}_token_id`) ?? fallback;
    if (value === undefined || value === -1 || value === 0xffffffff) return undefined;
    if (Number.isInteger(value) && value >= 0 && value < tokens.length) return value;
    throw bad(meta, `its ${name} token is ${value}, outside of its ${tokens.length} tokens`);
  };
  const byName = END_OF_TURN.map((name) => tokens.indexOf(name)).find((found) => found >= 0);
  const found = { bosId: id('bos'), eosId: id('eos'), eotId: id('eot', byName), unkId: id('unknown') };
  const known = Object.entries(found).filter(([, value]) => value !== undefined);
  return { vocabSize: tokens.length, ...Object.fromEntries(known) };
}

const ofType = ({ tokens, types }: Vocabulary, type: number): Map<string, number> =>
  new Map(tokens.flatMap((token, id) => (types[id] === type && token !== '' ? [[token, id] as const] : [])));

function bpe(meta: GgufMetadata, vocabulary: Vocabulary, warn: Warn): Tokenizer {
  const named = meta.string('tokenizer.ggml.pre');
  if (named === undefined) {
    warn(
      `${meta.path} does not say how it cuts text into words (tokenizer.ggml.pre is missing). llama.cpp's default rules are ` +
        'taken, as it does, but the model was probably trained with others: convert it again with a newer llama.cpp.',
    );
  }
  const name = named ?? 'default';
  const rules = preTokenizer(name);
  if (rules === undefined) {
    throw bad(meta, `its pre-tokenizer "${name}" is not known; these are: ${preTokenizerNames().join(', ')}`);
  }
  const merges = meta.strings('tokenizer.ggml.merges');
  if (merges === undefined) throw bad(meta, 'it has no tokenizer.ggml.merges');
  const wrong = merges.find((merge) => merge.indexOf(' ') < 1);
  if (wrong !== undefined) throw bad(meta, `its merge ${JSON.stringify(wrong.slice(0, 40))} is no pair`);
  return new BpeTokenizer({
    ...idsOf(meta, vocabulary),
    tokens: vocabulary.tokens,
    merges,
    special: ofType(vocabulary, CONTROL),
    userDefined: ofType(vocabulary, USER_DEFINED),
    rules,
    addBos: meta.boolean('tokenizer.ggml.add_bos_token') ?? rules.ignoreMerges,
  });
}

function spm(meta: GgufMetadata, vocabulary: Vocabulary): Tokenizer {
  const scores = meta.numbers('tokenizer.ggml.scores');
  if (scores === undefined || scores.length !== vocabulary.tokens.length) {
    const came = scores === undefined ? 'no scores' : `${scores.length} scores`;
    throw bad(meta, `it has ${vocabulary.tokens.length} tokens but ${came}`);
  }
  const special = ofType(vocabulary, CONTROL);
  const byteIds = Array<number | undefined>(256).fill(undefined);
  for (const [token, id] of ofType(vocabulary, BYTE)) {
    const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (hex === undefined) throw bad(meta, `its byte token ${JSON.stringify(token)} is not of the form <0x0A>`);
    byteIds[Number.parseInt(hex, 16)] = id;
  }
  return new SpmTokenizer({
    ...idsOf(meta, vocabulary),
    tokens: vocabulary.tokens,
    scores,
    special,
    userDefined: ofType(vocabulary, USER_DEFINED),
    byteIds,
    mergeable: new Map([...ofType(vocabulary, NORMAL), ...ofType(vocabulary, USER_DEFINED)]),
    addBos: meta.boolean('tokenizer.ggml.add_bos_token') ?? true,
    addSpacePrefix: meta.boolean('tokenizer.ggml.add_space_prefix') ?? true,
  });
}

/**
 * The tokenizer inside a GGUF file: byte-level BPE (`gpt2`) or SentencePiece by scores (`llama`). `rows` is the number
 * of rows of the embedding; `warn` hears what is strange about the file. Throws ModelError BAD_TOKENIZER or BAD_METADATA.
 */
export function tokenizerFromGguf(meta: GgufMetadata, rows: number, warn: Warn = () => {}): Tokenizer {
  const model = meta.string('tokenizer.ggml.model');
  if (model !== 'gpt2' && model !== 'llama') {
    throw bad(meta, `its kind is ${model === undefined ? 'missing' : `"${model}"`}; gpt2 and llama are known`);
  }
  const vocabulary = vocabularyOf(meta, rows, warn);
  return model === 'gpt2' ? bpe(meta, vocabulary, warn) : spm(meta, vocabulary);
}
