import type { Json } from '../hf/json.js';

// @huggingface/tokenizers goes by JavaScript's classes of characters where the Rust library, which models are trained with, goes by
// Unicode's: U+FEFF is no white space and U+0085 is, digits and punctuation are not ASCII's alone. In the regular expressions of a Split
// it goes by Unicode's too. So everything that cuts is written as Splits here, and held against the Rust library by
// tests/unit/model/tokenizerOracle.test.ts.

/** GPT-2's words: the cut of ByteLevel with `use_regex` (huggingface/tokenizers, pre_tokenizers/byte_level.rs). */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const PUNCTUATION = '[!-/:-@\\[-`{-~\\p{P}]';
const START = '(?<![\\s\\S])';
const END = '(?![\\s\\S])';

const split = (Regex: string, behavior: string, invert = false): Json => ({
  type: 'Split',
  pattern: { Regex },
  behavior,
  invert,
});
const sequence = (...pretokenizers: Json[]): Json => ({ type: 'Sequence', pretokenizers });

/** A cut by what is matched; how matches and what lies between them go together is said in the expression itself. */
function cut(regex: string, behavior: unknown): Json {
  const between = `(?:(?!${regex})[\\s\\S])+`;
  switch (behavior) {
    case 'Contiguous':
      return split(`(?:${regex})+`, 'Isolated');
    case 'MergedWithPrevious':
      return split(`${between}(?:${regex})|${regex}`, 'Isolated');
    case 'MergedWithNext':
      return split(`(?:${regex})${between}|${regex}`, 'Isolated');
    default:
      return split(regex, String(behavior));
  }
}

function cutByPattern(config: Json): Json {
  const { Regex, String: text } = (config.pattern ?? {}) as Json;
  if (config.invert === true) return config;
  if (typeof Regex === 'string') return cut(Regex, config.behavior);
  return typeof text === 'string' && text !== ''
    ? cut(text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), config.behavior)
    : config;
}

const PRE_TOKENIZERS: Readonly<Record<string, (config: Json) => Json>> = {
  Sequence: ({ pretokenizers }) => sequence(...(pretokenizers as Json[]).map(exactPreTokenizer)),
  ByteLevel: (config) =>
    config.use_regex === false
      ? config
      : sequence(split(GPT2, 'Isolated'), { ...config, use_regex: false, add_prefix_space: false }),
  Metaspace: (config) => config,
  Split: cutByPattern,
  Digits: ({ individual_digits }) => split(individual_digits === true ? '\\p{N}' : '\\p{N}+', 'Isolated'),
  Punctuation: ({ behavior }) => cut(PUNCTUATION, behavior ?? 'Isolated'),
  WhitespaceSplit: () => split('\\s+', 'Removed'),
  Whitespace: () => split('\\w+|[^\\w\\s]+', 'Removed', true),
  BertPreTokenizer: () => sequence(split('\\s+', 'Removed'), split(PUNCTUATION, 'Isolated')),
};

const remove = (Regex: string): Json => ({ type: 'Replace', pattern: { Regex }, content: '' });
const as = (config: Json): Json => config;

const NORMALIZERS: Readonly<Record<string, (config: Json) => Json>> = {
  Sequence: ({ normalizers }) => ({ type: 'Sequence', normalizers: (normalizers as Json[]).map(exactNormalizer) }),
  Strip: ({ strip_left, strip_right }) => ({
    type: 'Sequence',
    normalizers: [
      ...(strip_left === true ? [remove(`${START}\\s+`)] : []),
      ...(strip_right === true ? [remove(`\\s+${END}`)] : []),
    ],
  }),
  ...{
    NFC: as,
    NFD: as,
    NFKC: as,
    NFKD: as,
    Lowercase: as,
    Prepend: as,
    Replace: as,
    StripAccents: as,
    BertNormalizer: as,
  },
};

function exact(table: Readonly<Record<string, (config: Json) => Json>>, what: string, config: Json): Json {
  const type = String(config?.type);
  if (Object.hasOwn(table, type)) return table[type]!(config);
  throw new Error(`its ${what} "${type.slice(0, 40)}" is not known; these are: ${Object.keys(table).join(', ')}`);
}

/**
 * A ByteLevel that puts a space before the first word, apart from it: as a normaliser, which comes before the cut. Undefined: it
 * puts none.
 */
export function prefixOf(config: Json | null): Json | undefined {
  if (config?.type !== 'ByteLevel' || config.add_prefix_space !== true) return undefined;
  return { type: 'Replace', pattern: { Regex: `${START}(?=[^ ])` }, content: ' ' };
}

/** A pre-tokenizer of a tokenizer.json that the library cuts as the Rust library does. Throws Error where there is none. */
export function exactPreTokenizer(config: Json): Json {
  return exact(PRE_TOKENIZERS, 'pre-tokenizer', config);
}

/** The same for a normaliser. Precompiled (a table of SentencePiece) is none: the library replaces it by rules that often differ. */
export function exactNormalizer(config: Json): Json {
  return exact(NORMALIZERS, 'normalizer', config);
}

/** The names that work, for the documentation. */
export const KNOWN_PARTS = {
  normalizers: Object.keys(NORMALIZERS),
  preTokenizers: Object.keys(PRE_TOKENIZERS),
} as const;
