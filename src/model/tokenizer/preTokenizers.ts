/** How a byte-level BPE of a GGUF file cuts text into words before merging. */
export interface PreTokenizer {
  /** Unicode normal form that text is brought to first. */
  readonly normalize: 'NFC' | null;
  /** Cuts one after the other: each takes the pieces of the one before apart, matches and what lies between them. */
  readonly splits: readonly RegExp[];
  /** Whole words that are in the vocabulary are taken without merging. */
  readonly ignoreMerges: boolean;
}

// JavaScript's \s is not Unicode's white space (it has U+FEFF and lacks U+0085); the models were trained with the latter.
const S = '\\p{White_Space}';
const OTHER = `[^${S}\\p{L}\\p{N}]`;
const SPACES = `${S}+(?!\\P{White_Space})|${S}+`;
const LINES = `${S}*[\\r\\n]+|${SPACES}`;
const GPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?${OTHER}+|${SPACES}`;
const CONTRACTIONS = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const WORDS = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+`;
const UPPER = '\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}';
const LOWER = '\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}';
/** Cased words of Mistral's Tekken vocabulary. */
const CASED = `[^\\r\\n\\p{L}\\p{N}]?[${UPPER}]*[${LOWER}]+|[^\\r\\n\\p{L}\\p{N}]?[${UPPER}]+[${LOWER}]*`;

function rules(...patterns: string[]): PreTokenizer {
  return { normalize: null, splits: patterns.map((pattern) => new RegExp(pattern, 'gu')), ignoreMerges: false };
}

const gpt2 = rules(GPT2);
const smollm = rules('\\p{N}', GPT2);
const llama3 = { ...rules(`${WORDS}|\\p{N}{1,3}| ?${OTHER}+[\\r\\n]*|${LINES}`), ignoreMerges: true };
const qwen2 = { ...rules(`${WORDS}|\\p{N}| ?${OTHER}+[\\r\\n]*|${LINES}`), normalize: 'NFC' as const };
const tekken = { ...rules(`${CASED}|\\p{N}| ?${OTHER}+[\\r\\n/]*|${LINES}`), ignoreMerges: true };
/** What llama.cpp does for files that name no pre-tokenizer. */
const fallback = rules('[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]');

/** By `tokenizer.ggml.pre`; names and rules as in llama.cpp (src/llama-vocab.cpp). */
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

/** Matches and what lies between them, in order. */
function split(text: string, pattern: RegExp): string[] {
  const pieces: string[] = [];
  let start = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > start) pieces.push(text.slice(start, match.index));
    if (match[0] !== '') pieces.push(match[0]);
    start = match.index + match[0].length;
  }
  if (start < text.length) pieces.push(text.slice(start));
  return pieces;
}

/** Words of a text; joined they are the (normalised) text again. */
export function splitWords(text: string, { normalize, splits }: PreTokenizer): string[] {
  let pieces = [normalize === null ? text : text.normalize(normalize)];
  for (const pattern of splits) pieces = pieces.flatMap((piece) => split(piece, pattern));
  return pieces;
}
