import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { DataError } from '../../errors.js';
import { readBytes } from './bytes.js';
import { MAX_LINE_BYTES, type RowSource } from './types.js';

/** Names under which UTF-8 goes; everything else is decoded by TextDecoder. */
const UTF8 = ['utf-8', 'utf8', 'unicode-1-1-utf-8'];
const isUtf8Name = (encoding: string): boolean => UTF8.includes(encoding.trim().toLowerCase());

const bad = (message: string, cause?: unknown): DataError =>
  new DataError('BAD_ENCODING', message, cause === undefined ? {} : { cause });

/** Kinds of file that would otherwise be read as garbage. */
function checkHead(path: string, head: Uint8Array): void {
  const zeros = head.subarray(0, 64).filter((byte) => byte === 0).length;
  const utf16 = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
  if (utf16 || zeros > 8) {
    throw bad(
      `${path} is UTF-16; expected UTF-8. Set encoding: ${head[0] === 0xfe || head[0] === 0 ? 'utf-16be' : 'utf-16le'}, ` +
        'or convert it first (iconv -t UTF-8).',
    );
  }
  const packed = head[0] === 0x1f && head[1] === 0x8b ? 'gzip' : head[0] === 0x28 && head[1] === 0xb5 ? 'zstd' : '';
  if (packed === '' || (packed === 'zstd' && !(head[2] === 0x2f && head[3] === 0xfd))) return;
  throw bad(
    `${path} is compressed with ${packed}; expected plain text. Unpack it first, or let its name end in ` +
      `${packed === 'gzip' ? '.gz' : '.zst'}.`,
  );
}

/** The decoder of an encoding by its WHATWG label. Throws DataError BAD_ENCODING where there is none of that name. */
export function decoderOf(encoding: string): TextDecoder {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw bad(
      `Expected encoding to be utf-8, windows-1252, latin1, utf-16le or another of the WHATWG Encoding Standard ` +
        `but received "${encoding}".`,
      cause,
    );
  }
}

/** Says where the first byte is that is no UTF-8, and what the line would be in the encoding that most such files have. */
function notUtf8(path: string, bytes: Buffer, linesBefore: number): DataError {
  let start = 0;
  let line = linesBefore + 1;
  for (let end = bytes.indexOf(10); end >= 0 && isUtf8(bytes.subarray(start, end)); end = bytes.indexOf(10, start)) {
    start = end + 1;
    line++;
  }
  const end = bytes.indexOf(10, start);
  const text = bytes.subarray(start, end < 0 ? bytes.length : end);
  let at = 0;
  while (at < text.length && (text[at]! < 0x80 || isInCharacter(text, at))) at++;
  const shown = new TextDecoder('windows-1252').decode(text.subarray(Math.max(0, at - 20), at + 20)).trim();
  return bad(
    `Line ${line} of ${path} is not UTF-8: byte 0x${(text[at] ?? text.at(-1) ?? 0).toString(16).toUpperCase()} cannot stand there. ` +
      `If it reads "${shown}", the file is Windows-1252 or Latin-1: set encoding: windows-1252; otherwise name its ` +
      'encoding, or convert it (iconv -t UTF-8).',
  );
}

/** Whether the byte at `at` lies in a whole UTF-8 character. */
function isInCharacter(text: Buffer, at: number): boolean {
  let from = at;
  while (from > 0 && (text[from]! & 0xc0) === 0x80 && at - from < 3) from--;
  for (let to = at + 1; to <= Math.min(text.length, from + 4); to++) if (isUtf8(text.subarray(from, to))) return true;
  return false;
}

/** UTF-8 in pieces that end between characters; every byte is checked. */
async function* utf8Chunks(source: RowSource): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let lines = 0;
  let first = true;
  const decode = (bytes: Buffer): string => {
    if (!isUtf8(bytes)) throw notUtf8(source.path, bytes, lines);
    const text = bytes.toString('utf8');
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
    return text;
  };
  for await (const chunk of readBytes(source)) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (first) {
      checkHead(source.path, bytes);
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    }
    first = false;
    // The last character may go on in the next chunk: at most three of its bytes are here.
    let cut = bytes.length;
    while (cut > 0 && bytes.length - cut < 4 && (bytes[cut - 1]! & 0xc0) === 0x80) cut--;
    if (cut > 0 && bytes[cut - 1]! >= 0xc0) cut--;
    rest = bytes.subarray(cut);
    if (cut > 0) yield decode(bytes.subarray(0, cut));
  }
  if (rest.length > 0) yield decode(rest);
}

async function* decodedChunks(source: RowSource): AsyncGenerator<string> {
  const decoder = decoderOf(source.encoding);
  let lines = 0;
  const decode = (chunk?: Buffer): string => {
    try {
      const text = decoder.decode(chunk, { stream: chunk !== undefined });
      lines += text.split('\n').length - 1;
      return text;
    } catch (cause) {
      throw bad(`${source.path} is not ${source.encoding}: a byte after line ${lines + 1} cannot stand there.`, cause);
    }
  };
  for await (const chunk of readBytes(source)) yield decode(chunk);
  yield decode();
}

/**
 * The text of a file piece by piece, without its byte order mark; not one byte is replaced. Throws DataError
 * BAD_ENCODING, which names the line, and BAD_PACKED.
 */
export function readText(source: RowSource): AsyncGenerator<string> {
  return isUtf8Name(source.encoding) ? utf8Chunks(source) : decodedChunks(source);
}

export interface Line {
  /** From 1. */
  readonly line: number;
  /** Without its end. */
  readonly text: string;
  /** `\n`, `\r\n`, or '' at the end of the file. */
  readonly end: string;
}

/**
 * Lines of a file with their numbers; LF and CRLF end them. (node:readline also cuts at U+2028, which JSON strings may
 * hold.) Throws DataError LINE_TOO_LONG and those of readText.
 */
export async function* readLines(source: RowSource): AsyncGenerator<Line> {
  let rest = '';
  let line = 0;
  for await (const chunk of readText(source)) {
    rest += chunk;
    // A long line is put together once, at its end.
    const lines = chunk.includes('\n') ? rest.split('\n') : [rest];
    rest = lines.pop()!;
    if (rest.length > MAX_LINE_BYTES) {
      throw new DataError(
        'LINE_TOO_LONG',
        `Line ${line + lines.length + 1} of ${source.path} is over ${MAX_LINE_BYTES} bytes long.`,
      );
    }
    for (const text of lines) {
      const crlf = text.endsWith('\r');
      yield { line: ++line, text: crlf ? text.slice(0, -1) : text, end: crlf ? '\r\n' : '\n' };
    }
  }
  if (rest !== '') yield { line: line + 1, text: rest, end: '' };
}
