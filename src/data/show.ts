import type { Tokenizer } from '../model/index.js';
import { printable } from '../text.js';
import type { TokenizedExample } from './types.js';

export interface ShowOptions {
  /** Targets in colour; else in brackets. @default false */
  readonly color?: boolean;
  /** A mark between tokens. @default false */
  readonly tokens?: boolean;
  /** Longest text in tokens; what is left out of the middle is said. @default all */
  readonly maxTokens?: number;
}

/** Ids that are looked back at to tell what one more adds to the text. */
const CONTEXT = 8;

const GREEN = '\u001b[32m';
const DIM = '\u001b[2m';
const RESET = '\u001b[0m';

/** The text that each token adds; a character that takes several tokens stands at its last. */
export function tokenTexts(tokens: ArrayLike<number>, tokenizer: Pick<Tokenizer, 'decode'>): string[] {
  const ids = Array.from(tokens);
  return ids.map((_, i) => {
    const from = Math.max(0, i - CONTEXT);
    const before = tokenizer.decode(ids.slice(from, i), { special: true });
    const upTo = tokenizer.decode(ids.slice(from, i + 1), { special: true });
    const added = upTo.startsWith(before)
      ? upTo.slice(before.length)
      : upTo.slice(before.replace(/\ufffd+$/, '').length);
    // Half of a character: the next token shows it whole.
    return added.endsWith('\ufffd') && i < ids.length - 1 ? '' : added;
  });
}

/**
 * An example as it will be trained, as lines for a terminal: its text with what the model has to learn marked, in green or
 * in `[[brackets]]`.
 */
export function showExample(
  { tokens, lossMask }: TokenizedExample,
  tokenizer: Pick<Tokenizer, 'decode'>,
  options: ShowOptions = {},
): string {
  const { color = false, tokens: apart = false, maxTokens = Number.POSITIVE_INFINITY } = options;
  const texts = tokenTexts(tokens, tokenizer).map(printable);
  const [open, close] = color ? [GREEN, RESET] : ['[[', ']]'];
  const mark = color ? `${DIM}|${RESET}` : '|';
  const half = Math.floor(maxTokens / 2);
  const hidden = tokens.length > maxTokens ? { from: half, to: tokens.length - half } : { from: 0, to: 0 };
  let shown = '';
  let inTarget = false;
  for (let i = 0; i < texts.length; i++) {
    if (i >= hidden.from && i < hidden.to) {
      if (i === hidden.from) {
        shown += `${inTarget ? close : ''} \u2026 ${hidden.to - hidden.from} tokens \u2026 `;
        inTarget = false;
      }
      continue;
    }
    const target = lossMask[i] === 1;
    if (inTarget && !target) shown += close;
    if (apart && i > 0) shown += inTarget && target && color ? `${RESET}${mark}${open}` : mark;
    if (!inTarget && target) shown += open;
    inTarget = target;
    shown += texts[i];
  }
  return inTarget ? shown + close : shown;
}
