import { hasSpecial, splitSpecial, type Tokenizer } from '../model/index.js';
import type { Segment } from './templates/types.js';

/** Ids of rendered text with one mark a token. */
export interface Encoded {
  readonly ids: number[];
  /** 1 where the token is a target. */
  readonly marks: number[];
  /** Borders between prompt and answer that lay inside of a token of the whole text, which was split there. */
  readonly splits: number;
}

/** Text of one kind: target or not. */
interface Span {
  readonly text: string;
  readonly target: boolean;
}

/** Text between two control tokens that the template wrote, with the one before and the one behind it. */
interface Stretch {
  readonly before?: { readonly text: string; readonly id: number; readonly target: boolean };
  after: string;
  readonly spans: Span[];
}

/** Cuts segments at the template's control tokens; in text of users they are text. */
function stretchesOf(segments: readonly Segment[], tokenizer: Tokenizer): Stretch[] {
  const stretches: Stretch[] = [{ spans: [], after: '' }];
  const add = (text: string, target: boolean): void => {
    const { spans } = stretches.at(-1)!;
    const last = spans.at(-1);
    if (last?.target === target) spans[spans.length - 1] = { text: last.text + text, target };
    else if (text !== '') spans.push({ text, target });
  };
  for (const { text, source, target } of segments) {
    if (source === 'user') {
      add(text, target);
      continue;
    }
    for (const part of splitSpecial(text, tokenizer.specialTokens)) {
      if (part.id === undefined) add(part.text, target);
      else {
        stretches.at(-1)!.after = part.text;
        stretches.push({ before: { text: part.text, id: part.id, target }, spans: [], after: '' });
      }
    }
  }
  return stretches;
}

/** One of these stands before a text while it is encoded as the middle of a longer one. */
const ANCHORS = ['\n', '.', 'x', '"', '0'];

const startsWith = (ids: readonly number[], head: readonly number[]): boolean =>
  head.length <= ids.length && head.every((id, i) => ids[i] === id);

/** Ids of a text that goes on behind another: without the space that some tokenizers put before the first word. */
function encodeContinuing(text: string, tokenizer: Tokenizer): number[] {
  if (text === '') return [];
  if (tokenizer.kind !== 'bpe') {
    for (const anchor of ANCHORS) {
      const head = tokenizer.encode(anchor);
      const ids = tokenizer.encode(anchor + text);
      if (startsWith(ids, head)) return ids.slice(head.length);
    }
  }
  return tokenizer.encode(text);
}

/** Whether text behind a control token is encoded as text at the start of a sequence is (with SentencePiece's space). */
const freshAfterSpecial = new WeakMap<Tokenizer, boolean>();

function isFreshAfterSpecial(tokenizer: Tokenizer, special: string): boolean {
  const known = freshAfterSpecial.get(tokenizer);
  if (known !== undefined) return known;
  const behind = tokenizer.encode(`${special}x`, { special: true }).slice(1);
  const alone = tokenizer.encode('x');
  const fresh = behind.length === alone.length && startsWith(behind, alone);
  freshAfterSpecial.set(tokenizer, fresh);
  return fresh;
}

/** How the text of a stretch is encoded: as a part of the whole text, but for control tokens that users wrote. */
function encoderOf(
  { before, after }: Stretch,
  tokenizer: Tokenizer,
  guarded: boolean,
): (text: string, whole: boolean) => number[] {
  const plain = tokenizer.kind !== 'json' || before === undefined;
  if (guarded && !plain && !isFreshAfterSpecial(tokenizer, before.text))
    return (text) => encodeContinuing(text, tokenizer);
  if (guarded || plain) return (text) => tokenizer.encode(text);
  // A tokenizer.json may say that a control token takes the space beside it.
  return (text, whole) => {
    const ids = tokenizer.encode(`${before.text}${text}${whole ? after : ''}`, { special: true });
    return ids.slice(1, whole && after !== '' ? -1 : undefined);
  };
}

/**
 * Encodes spans as their joined text, and finds the borders between them: where the ids of the text up to a border are
 * the first ids of the whole, it lies between two tokens. Else a token straddles it: what comes before is encoded as a
 * prompt of its own, as it will be at inference, and the rest behind it.
 */
function encodeSpans(
  spans: readonly Span[],
  encode: (text: string, whole: boolean) => number[],
  tokenizer: Tokenizer,
): Encoded {
  const whole = encode(spans.map(({ text }) => text).join(''), true);
  const result: Encoded = { ids: [], marks: [], splits: 0 };
  const emit = (ids: readonly number[], target: boolean): void => {
    for (const id of ids) {
      result.ids.push(id);
      result.marks.push(target ? 1 : 0);
    }
  };
  let upTo = '';
  for (const [i, { text, target }] of spans.entries()) {
    upTo += text;
    const last = i === spans.length - 1;
    const part = last ? whole : encode(upTo, false);
    if (!startsWith(whole, part) || part.length < result.ids.length) {
      const head = encodeSpans(spans.slice(0, i + 1), (one) => encode(one, false), tokenizer);
      const tail = encodeSpans(spans.slice(i + 1), (one) => encodeContinuing(one, tokenizer), tokenizer);
      return {
        ids: [...head.ids, ...tail.ids],
        marks: [...head.marks, ...tail.marks],
        splits: head.splits + tail.splits + 1,
      };
    }
    emit(part.slice(result.ids.length), target);
  }
  return result;
}

/** Whether a text ends with an end token, spaces aside: raw text brings its own. */
function endsItself({ text, source }: Segment, tokenizer: Tokenizer): boolean {
  if (source !== 'template') return false;
  const last = splitSpecial(text.trimEnd(), tokenizer.specialTokens).at(-1)?.id;
  return last !== undefined && (last === tokenizer.eosId || last === tokenizer.eotId);
}

/**
 * Ids of rendered segments with one mark a token: 1 where it is a target. The ids are those of the whole text; only where
 * one of its tokens straddles the border between prompt and answer is it split there (counted in `splits`). Control
 * tokens are cut out of the template's own text only. Starts with BOS where the tokenizer asks for it; ends with an end
 * token.
 */
export function encodeSegments(segments: readonly Segment[], tokenizer: Tokenizer): Encoded {
  const ids: number[] = [];
  const marks: number[] = [];
  let splits = 0;
  for (const stretch of stretchesOf(segments, tokenizer)) {
    const { before, spans } = stretch;
    if (before !== undefined) {
      ids.push(before.id);
      marks.push(before.target ? 1 : 0);
    }
    if (spans.length === 0) continue;
    const guarded = hasSpecial(spans.map(({ text }) => text).join(''), tokenizer.specialTokens);
    const encoded = encodeSpans(spans, encoderOf(stretch, tokenizer, guarded), tokenizer);
    for (const id of encoded.ids) ids.push(id);
    for (const mark of encoded.marks) marks.push(mark);
    splits += encoded.splits;
  }
  const { bosId, eosId, eotId } = tokenizer;
  if (tokenizer.addBos && bosId !== undefined && ids[0] !== bosId) {
    ids.unshift(bosId);
    marks.unshift(0);
  }
  const end = eosId ?? eotId;
  const last = segments.at(-1);
  if (
    last?.target === true &&
    end !== undefined &&
    !endsItself(last, tokenizer) &&
    ids.at(-1) !== eosId &&
    ids.at(-1) !== eotId
  ) {
    ids.push(end);
    marks.push(1);
  }
  return { ids, marks, splits };
}
