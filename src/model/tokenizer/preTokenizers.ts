/** How a byte-level BPE of a GGUF file cuts text before merging, as parts of a tokenizer.json. */
export interface PreTokenizer {
  readonly normalizer: object | null;
  readonly preTokenizer: object;
  /** Whole words that are in the vocabulary are taken without merging. */
  readonly ignoreMerges: boolean;
}

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const TAIL = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const WORDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
/** Cased words of Mistral's Tekken vocabulary. */
const TEKKEN_WORDS =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|' +
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|';

const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
const digits = { type: 'Digits', individual_digits: true };
const split = (regex: string) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false });
const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers: [...pretokenizers, bytes] });

function plain(...pretokenizers: object[]): PreTokenizer {
  return { normalizer: null, preTokenizer: sequence(...pretokenizers), ignoreMerges: false };
}

const gpt2 = plain(split(GPT2));
const smollm = plain(digits, split(GPT2));
const llama3 = { ...plain(split(`${WORDS}\\p{N}{1,3}|${TAIL}`)), ignoreMerges: true };
const qwen2 = { ...plain(split(`${WORDS}\\p{N}|${TAIL}`)), normalizer: { type: 'NFC' } };
const tekken = {
  ...plain(split(`${TEKKEN_WORDS}\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`)),
  ignoreMerges: true,
};
/** What llama.cpp does for files that name no pre-tokenizer. */
const fallback = plain(split('[\\p{P}\\$\\+<=>\\^~\\|]+'), split(GPT2), split('\\p{N}+'), split('[0-9][0-9][0-9]'));

/** By `tokenizer.ggml.pre`; the names and rules are those of llama.cpp (src/llama-vocab.cpp). */
const BY_NAME: Readonly<Record<string, PreTokenizer>> = {
  default: fallback,
  'gpt-2': gpt2,
  smollm,
  starcoder: smollm,
  refact: smollm,
  'command-r': smollm,
  'llama-bpe': llama3,
  llama3,
  'llama-v3': llama3,
  'smaug-bpe': { ...llama3, ignoreMerges: false },
  qwen2,
  'deepseek-r1-qwen': qwen2,
  tekken,
};

/** The rules of that name, or undefined where it is not known. */
export function preTokenizer(name: string): PreTokenizer | undefined {
  return Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
}

export function preTokenizerNames(): string[] {
  return Object.keys(BY_NAME);
}
