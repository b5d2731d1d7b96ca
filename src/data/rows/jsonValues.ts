import { DataError } from '../../errors.js';
import { MAX_WHOLE_BYTES } from './types.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const isOpening = (code: number): boolean => code === 0x5b || code === 0x7b;
const isClosing = (code: number): boolean => code === 0x5d || code === 0x7d;

/** The text of one JSON value and the line that it begins at. */
export interface JsonText {
  readonly text: string;
  readonly line: number;
}

/**
 * Cuts JSON text into the values at one depth without parsing them: inside of a top-level array (`depth` 1) at its
 * commas, or else (`depth` 0) where one object or array ends and the next begins. So a file of any size is read with the
 * memory of its largest value.
 *
 * Throws DataError BAD_JSON where a value never ends, TOO_LARGE where one is too long for a string.
 */
export async function* jsonValues(
  chunks: AsyncIterable<string>,
  { depth: base, path }: { readonly depth: 0 | 1; readonly path: string },
): AsyncGenerator<JsonText> {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let line = 1;
  // Of the value that is being read: where it began, if it has, and its text so far.
  let began: number | undefined;
  let pieces: string[] = [];
  let length = 0;
  const take = (): JsonText | undefined => {
    const value = began === undefined ? undefined : { text: pieces.join('').trim(), line: began };
    [pieces, length, began] = [[], 0, undefined];
    return value;
  };
  const bad = (message: string) => new DataError('BAD_JSON', `${path} ${message}`);
  for await (const chunk of chunks) {
    let from = 0;
    const keep = (to: number) => {
      if (to > from) pieces.push(chunk.slice(from, to));
      length += to - from;
      from = to;
    };
    for (let i = 0; i < chunk.length; i++) {
      const code = chunk.charCodeAt(i);
      if (code === NEWLINE) line++;
      if (inString) {
        if (escaped) escaped = false;
        else if (code === BACKSLASH) escaped = true;
        else if (code === QUOTE) inString = false;
        continue;
      }
      if (code <= 0x20) continue;
      const opensArray = base === 1 && depth === 0;
      if (opensArray && code !== 0x5b) throw bad(`goes on after the end of its array, at line ${line}.`);
      let ends = false;
      if (code === QUOTE) inString = true;
      else if (isOpening(code)) depth++;
      else if (isClosing(code)) {
        depth--;
        if (depth === 0 && base === 0) keep(i + 1);
        else if (depth < base) keep(i);
        ends = depth <= 0;
        depth = Math.max(0, depth);
      } else if (code === COMMA && depth === 1 && base === 1) {
        keep(i);
        ends = true;
      }
      if (!ends && !opensArray) {
        began ??= line;
        continue;
      }
      began = opensArray ? undefined : (began ?? (base === 0 ? line : undefined));
      const value = take();
      if (value !== undefined) yield value;
      if (base === 1) from = i + 1;
    }
    keep(chunk.length);
    if (length > MAX_WHOLE_BYTES) {
      throw new DataError(
        'TOO_LARGE',
        `The value at line ${began} of ${path} has over ${MAX_WHOLE_BYTES} characters. Use JSONL or Parquet.`,
      );
    }
  }
  if (depth > 0 || inString) {
    throw bad(`ends inside of the value at line ${began ?? line}: a bracket or a quote is missing there or before.`);
  }
  const left = take();
  if (left !== undefined) yield left;
}
