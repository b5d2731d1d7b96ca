import { DataError } from '../errors.js';
import { hasSpecial, splitSpecial, type TextPart, type Tokenizer } from '../model/index.js';
import type { PromptTemplate, Segment } from './templates/types.js';
import type { Example, TokenizedExample } from './types.js';

export interface TokenizeOptions {
  readonly tokenizer: Tokenizer;
  readonly template: PromptTemplate;
  /** Longest sequence in tokens. */
  readonly seqLength: number;
  /** What becomes of a longer one. @default 'drop' */
  readonly onLong?: 'drop' | 'truncate' | 'error';
  /** Which tokens are targets. @default 'response': the answers and their end token */
  readonly trainOn?: 'response' | 'all';
}

/** Stands for a control token's text inside text of a user; a noncharacter, so no text holds it. */
const QUOTE = '\uFDD0';

/**
 * Ids of segments that belong together. Control tokens are cut out of the template's own text only; the text between two
 * of them is encoded in one piece, as if the whole had been one string.
 */
function encodeRun(segments: readonly Segment[], tokenizer: Tokenizer): number[] {
  const special = tokenizer.specialTokens;
  const guarded = segments.some(({ text, source }) => source === 'user' && hasSpecial(text, special));
  // Nothing to guard: the tokenizer's own way, which some tokenizers need whole (spaces before the first word).
  if (!guarded) return tokenizer.encode(segments.map(({ text }) => text).join(''), { special: true });
  const quoted: string[] = [];
  const quote = ({ text, id }: TextPart): string => {
    if (id === undefined) return text;
    quoted.push(text);
    return QUOTE;
  };
  const joined = segments
    .map(({ text, source }) =>
      source === 'template' ? text : splitSpecial(text.replaceAll(QUOTE, '\uFFFD'), special).map(quote).join(''),
    )
    .join('');
  let next = 0;
  return splitSpecial(joined, special).flatMap((part) =>
    part.id === undefined ? tokenizer.encode(part.text.replaceAll(QUOTE, () => quoted[next++]!)) : [part.id],
  );
}

/** Neighbouring segments of one kind (target or not) as one run. */
function runsOf(segments: readonly Segment[]): Segment[][] {
  const runs: Segment[][] = [];
  for (const segment of segments) {
    const last = runs.at(-1);
    if (last !== undefined && last[0]!.target === segment.target) last.push(segment);
    else runs.push([segment]);
  }
  return runs;
}

/**
 * Ids of rendered segments with one mark a token: 1 where it is a target. Prompt and answers are encoded apart, so that
 * no token straddles the border. Starts with BOS where the tokenizer asks for it; ends with an end token.
 */
export function encodeSegments(segments: readonly Segment[], tokenizer: Tokenizer): { ids: number[]; marks: number[] } {
  const ids: number[] = [];
  const marks: number[] = [];
  for (const run of runsOf(segments)) {
    for (const id of encodeRun(run, tokenizer)) {
      ids.push(id);
      marks.push(run[0]!.target ? 1 : 0);
    }
  }
  const { bosId, eosId, eotId } = tokenizer;
  if (tokenizer.addBos && bosId !== undefined && ids[0] !== bosId) {
    ids.unshift(bosId);
    marks.unshift(0);
  }
  const end = eosId ?? eotId;
  const last = ids.at(-1);
  if (segments.at(-1)?.target === true && end !== undefined && last !== eosId && last !== eotId) {
    ids.push(end);
    marks.push(1);
  }
  return { ids, marks };
}

/** Token ids of the text before the answer, to generate from. */
export function promptTokens(example: Example, options: Pick<TokenizeOptions, 'tokenizer' | 'template'>): Int32Array {
  const prompt = options.template.prompt(example).map((segment) => ({ ...segment, target: false }));
  return Int32Array.from(encodeSegments(prompt, options.tokenizer).ids);
}

/** One example: its sequence and whether it was cut, or why there is none. */
export type TokenizeResult =
  | { readonly example: TokenizedExample; readonly truncated: boolean }
  | { readonly dropped: 'long' | 'empty' };

/**
 * Token ids and loss mask of one example, or why it was dropped: `long` (over seqLength), `empty` (no target token).
 * Throws DataError TOO_LONG where `onLong` is `error`.
 */
export function tokenizeExample(example: Example, options: TokenizeOptions): TokenizeResult {
  const { seqLength, onLong = 'drop', trainOn = 'response' } = options;
  const { ids, marks } = encodeSegments(options.template.render(example), options.tokenizer);
  const long = ids.length > seqLength;
  if (long && onLong === 'drop') return { dropped: 'long' };
  if (long && onLong === 'error') {
    throw new DataError(
      'TOO_LONG',
      `Example ${example.id} has ${ids.length} tokens, over seq_length ${seqLength}. ` +
        'Raise seq_length, or set on_long to drop or truncate.',
    );
  }
  const tokens = Int32Array.from(ids.slice(0, seqLength));
  const lossMask = Uint8Array.from(marks.slice(0, seqLength), (mark) => (trainOn === 'all' ? 1 : mark));
  if (lossMask.length > 0) lossMask[0] = 0;
  if (!lossMask.includes(1)) return { dropped: long ? 'long' : 'empty' };
  return { example: { id: example.id, tokens, lossMask }, truncated: long };
}

export interface TokenizedData {
  readonly examples: readonly TokenizedExample[];
  /** Index into the examples given, one for each of `examples`. */
  readonly indices: readonly number[];
  /** Examples over seqLength that were dropped. */
  readonly numLong: number;
  /** Examples over seqLength that were cut. */
  readonly numTruncated: number;
  /** Examples without a target token. */
  readonly numEmpty: number;
}

/** Tokenises examples in order, counting what is left out. Throws DataError TOO_LONG where `onLong` is `error`. */
export function tokenizeExamples(examples: readonly Example[], options: TokenizeOptions): TokenizedData {
  const kept: TokenizedExample[] = [];
  const indices: number[] = [];
  const counts = { long: 0, empty: 0, truncated: 0 };
  examples.forEach((example, index) => {
    const result = tokenizeExample(example, options);
    if ('dropped' in result) {
      counts[result.dropped]++;
      return;
    }
    if (result.truncated) counts.truncated++;
    kept.push(result.example);
    indices.push(index);
  });
  return { examples: kept, indices, numLong: counts.long, numTruncated: counts.truncated, numEmpty: counts.empty };
}
