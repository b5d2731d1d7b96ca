/** Shortest that a shown text is cut to. */
const MIN_WIDTH = 4;

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

/** Characters that move the cursor, turn the writing direction or cannot be seen, and halves of surrogate pairs. */
const UNSHOWABLE =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

const escaped = (char: string): string => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`;

/** Whether a terminal or a table shows every character of a text as itself. */
export function isShowable(text: string): boolean {
  return text.search(UNSHOWABLE) < 0;
}

/** A text of several lines for a terminal: what would act on it is escaped, line ends and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll(UNSHOWABLE, (char) => (char === '\n' || char === '\t' ? char : escaped(char)));
}

/**
 * A text as a line of a terminal or a cell of a table can show it: control characters escaped (`\u000a`), and past `max`
 * letters (graphemes) cut with an ellipsis. For names of owners, categories and columns, which come from data.
 */
export function shown(text: string, max = 40): string {
  const width = Math.max(MIN_WIDTH, max);
  // Cut before segmenting: a grapheme is rarely over 16 units, and texts may be of any length.
  const head = text.slice(0, width * 16).replaceAll(UNSHOWABLE, escaped);
  const letters = Array.from(graphemes.segment(head), ({ segment }) => segment);
  if (letters.length <= width && head.length >= text.length) return head;
  return `${letters.slice(0, width - 1).join('')}\u2026`;
}

/** The same text in memory of its own: a part of a text is a view of it, and keeps all of it. */
export function detached(part: string): string {
  return Buffer.from(part, 'utf16le').toString('utf16le');
}

/** A text as one word of a command that somebody copies: in quotes where a shell would take it apart. */
export function shellWord(text: string): string {
  return /^[\p{L}\p{N}_./:@%+=,][\p{L}\p{N}_./:@%+=,-]*$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
