import { DataError } from '../errors.js';
import { hasSpecial, type Tokenizer } from '../model/index.js';
import { encodeSegments } from './encode.js';
import type { PromptTemplate, Segment } from './templates/types.js';
import type { Example, TokenizedExample } from './types.js';

export { encodeSegments } from './encode.js';

export interface TokenizeOptions {
  readonly tokenizer: Tokenizer;
  readonly template: PromptTemplate;
  /** Longest sequence in tokens. */
  readonly seqLength: number;
  /** What becomes of a longer one. @default 'drop' */
  readonly onLong?: 'drop' | 'truncate' | 'error';
  /** Which tokens are targets. @default 'response': the answers and their end token */
  readonly trainOn?: 'response' | 'all';
  /** What an example does that the template refuses. @default 'skip' */
  readonly onBadRow?: 'skip' | 'fatal';
}

/** Token ids of the text before the answer, to generate from. */
export function promptTokens(example: Example, options: Pick<TokenizeOptions, 'tokenizer' | 'template'>): Int32Array {
  const rendered = templatedSegments(example, options.tokenizer)?.slice(0, 1) ?? options.template.prompt(example);
  const prompt = rendered.map((segment) => ({ ...segment, target: false }));
  return Int32Array.from(encodeSegments(prompt, options.tokenizer).ids);
}

/** The same of a question that stands by itself. */
export const questionTokens = (
  question: string,
  options: Pick<TokenizeOptions, 'tokenizer' | 'template'>,
): readonly number[] => [...promptTokens({ id: 'question', instruction: question, input: '', output: '' }, options)];

/** What was done to one example on its way to tokens. Counts. */
export interface TokenizeFacts {
  /** Tokens of the longest sequence before cutting. */
  readonly longest: number;
  /** Target tokens before cutting, and those that were cut off. */
  readonly targets: number;
  readonly targetsLost: number;
  /** Tokens that were split at the border of prompt and answer. */
  readonly splits: number;
  /** Whether the conversation was put into another form, because the template refuses or loses the one given. */
  readonly reshaped: boolean;
  /** Whether its text holds control tokens of the base, which are letters there. */
  readonly controlAsText: boolean;
}

/** One example: its sequence(s) and whether one was cut, or why there is none. */
export type TokenizeResult =
  | {
      /** The sequence of the last answer, and of every earlier one that is the same there as at inference. */
      readonly example: TokenizedExample;
      /** Sequences of earlier answers, where the template renders them otherwise once a turn follows. */
      readonly more: readonly TokenizedExample[];
      readonly truncated: boolean;
      readonly facts: TokenizeFacts;
    }
  | { readonly dropped: 'long' | 'empty' | 'refused'; readonly reason: string };

/** Prompt and completion that are in a chat format already, if it is the format of this base. */
function templatedSegments(example: Example, { specialTokens }: Tokenizer): Segment[] | undefined {
  if (example.templated !== true || !hasSpecial(example.instruction, specialTokens)) return undefined;
  return [
    { text: example.instruction, source: 'template', target: false },
    { text: example.output, source: 'template', target: true },
  ];
}

function refusal(error: unknown, example: Example, fatal: boolean): { dropped: 'refused'; reason: string } {
  if (!(error instanceof DataError)) throw error;
  if (!fatal) return { dropped: 'refused', reason: error.message };
  throw new DataError(error.code, `Example ${example.id} cannot be used: ${error.message}`, { cause: error });
}

interface Sequence {
  readonly tokens: Int32Array;
  readonly lossMask: Uint8Array;
  readonly length: number;
  readonly targets: number;
  readonly targetsLost: number;
  readonly splits: number;
}

function encodeSequence(segments: readonly Segment[], options: TokenizeOptions): Sequence {
  const { seqLength, tokenizer, trainOn = 'response' } = options;
  const { ids, marks, splits } = encodeSegments(segments, tokenizer);
  const mask = Uint8Array.from(marks, (mark) => (trainOn === 'all' ? 1 : mark));
  if (mask.length > 0) mask[0] = 0;
  const count = (from: number, to?: number) => mask.subarray(from, to).reduce((sum, mark) => sum + mark, 0);
  return {
    tokens: Int32Array.from(ids.slice(0, seqLength)),
    lossMask: mask.slice(0, seqLength),
    length: ids.length,
    targets: count(0),
    targetsLost: count(seqLength),
    splits,
  };
}

/** The sequences of an example, or why its template has none. */
function render(
  example: Example,
  options: TokenizeOptions,
): { sequences: readonly Segment[][]; reshaped: boolean } | { dropped: 'refused'; reason: string } {
  const templated = templatedSegments(example, options.tokenizer);
  if (templated !== undefined) return { sequences: [templated], reshaped: false };
  try {
    return options.template.sequences(example);
  } catch (error) {
    return refusal(error, example, options.onBadRow === 'fatal');
  }
}

const hasControlText = (segments: readonly Segment[], { specialTokens }: Tokenizer): boolean =>
  segments.some(({ text, source }) => source === 'user' && hasSpecial(text, specialTokens));

/**
 * Token ids and loss mask of one example, or why it was dropped: `long` (over seqLength), `empty` (no target token),
 * `refused` (the template cannot render it). A conversation whose template renders earlier answers otherwise than at
 * inference gives a sequence for each of them.
 *
 * Throws DataError TOO_LONG where `onLong` is `error`, BAD_TEMPLATE or TEMPLATE_TURNS where `onBadRow` is `fatal`.
 */
export function tokenizeExample(example: Example, options: TokenizeOptions): TokenizeResult {
  const { seqLength, onLong = 'drop' } = options;
  const rendered = render(example, options);
  if ('dropped' in rendered) return rendered;
  const all = rendered.sequences.map((segments) => encodeSequence(segments, options));
  const longest = all.reduce((max, { length }) => Math.max(max, length), 0);
  if (longest > seqLength && onLong === 'error') {
    throw new DataError(
      'TOO_LONG',
      `Example ${example.id} has ${longest} tokens, over seq_length ${seqLength}. ` +
        'Raise seq_length, or set on_long to drop or truncate.',
    );
  }
  const fitting = onLong === 'drop' ? all.filter(({ length }) => length <= seqLength) : all;
  const kept = fitting.filter(({ lossMask }) => lossMask.includes(1));
  if (kept.length === 0) {
    return longest > seqLength
      ? { dropped: 'long', reason: `it has ${longest} tokens, over seq_length ${seqLength}` }
      : { dropped: 'empty', reason: 'it has no target token' };
  }
  const sum = (list: readonly Sequence[], key: 'targets' | 'targetsLost' | 'splits') =>
    list.reduce((total, item) => total + item[key], 0);
  const [last, ...earlier] = kept.map(({ tokens, lossMask }, i) => ({
    id: i === 0 ? example.id : `${example.id}#${i}`,
    tokens,
    lossMask,
  }));
  const targets = sum(all, 'targets');
  return {
    example: last!,
    more: earlier,
    truncated: longest > seqLength,
    facts: {
      longest,
      targets,
      targetsLost: targets - (sum(kept, 'targets') - sum(kept, 'targetsLost')),
      splits: sum(kept, 'splits'),
      reshaped: rendered.reshaped,
      controlAsText: rendered.sequences.some((segments) => hasControlText(segments, options.tokenizer)),
    },
  };
}

export interface TokenizedData {
  readonly examples: readonly TokenizedExample[];
  /** Index into the examples given, one for each of `examples`; an example with several sequences has several. */
  readonly indices: readonly number[];
  /** Examples over seqLength that were dropped. */
  readonly numLong: number;
  /** Examples over seqLength that were cut. */
  readonly numTruncated: number;
  /** Examples without a target token. */
  readonly numEmpty: number;
  /** Examples that the template cannot render. */
  readonly numRefused: number;
}

/**
 * Tokenises examples in order, counting what is left out; `onResult` sees what became of each. Throws the errors of
 * tokenizeExample.
 */
export function tokenizeExamples(
  examples: readonly Example[],
  options: TokenizeOptions & { readonly onResult?: (example: Example, result: TokenizeResult) => void },
): TokenizedData {
  const kept: TokenizedExample[] = [];
  const indices: number[] = [];
  const counts = { long: 0, empty: 0, refused: 0, truncated: 0 };
  examples.forEach((example, index) => {
    const result = tokenizeExample(example, options);
    options.onResult?.(example, result);
    if ('dropped' in result) {
      counts[result.dropped]++;
      return;
    }
    if (result.truncated) counts.truncated++;
    for (const sequence of [result.example, ...result.more]) {
      kept.push(sequence);
      indices.push(index);
    }
  });
  return {
    examples: kept,
    indices,
    numLong: counts.long,
    numTruncated: counts.truncated,
    numEmpty: counts.empty,
    numRefused: counts.refused,
  };
}
