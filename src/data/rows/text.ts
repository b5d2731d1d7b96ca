import { open, readFile, stat } from 'node:fs/promises';
import { DataError } from '../../errors.js';
import { MAX_LINE_BYTES, MAX_WHOLE_BYTES } from './types.js';

/** Encodings that files of other tools come in and that would otherwise be read as garbage. */
export function checkEncoding(path: string, head: Uint8Array): void {
  const utf16 = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
  if (utf16)
    throw new DataError('BAD_ENCODING', `${path} is UTF-16; expected UTF-8. Convert it first (iconv -t UTF-8).`);
  if (head[0] === 0x1f && head[1] === 0x8b) {
    throw new DataError(
      'BAD_ENCODING',
      `${path} is compressed with gzip; expected plain text. Unpack it first (gunzip).`,
    );
  }
}

/** A whole UTF-8 file without its byte order mark. Throws DataError TOO_LARGE, BAD_ENCODING. */
export async function readWhole(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_WHOLE_BYTES) {
    throw new DataError(
      'TOO_LARGE',
      `${path} has ${size} bytes; at most ${MAX_WHOLE_BYTES} are read at once. Use JSONL or Parquet.`,
    );
  }
  const bytes = await readFile(path);
  checkEncoding(path, bytes);
  return new TextDecoder().decode(bytes);
}

/**
 * Lines of a UTF-8 file with their numbers, without line ends; LF, CRLF and a byte order mark are taken. (node:readline
 * also cuts at U+2028, which JSON strings may hold.) Throws DataError LINE_TOO_LONG, BAD_ENCODING.
 */
export async function* readLines(path: string): AsyncGenerator<{ line: number; text: string }> {
  const file = await open(path, 'r');
  try {
    const decoder = new TextDecoder();
    let rest = '';
    let line = 0;
    let first = true;
    for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) {
      if (first) checkEncoding(path, chunk as Buffer);
      first = false;
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
      rest = lines.pop()!;
      if (rest.length > MAX_LINE_BYTES) {
        throw new DataError(
          'LINE_TOO_LONG',
          `Line ${line + lines.length + 1} of ${path} is over ${MAX_LINE_BYTES} bytes long.`,
        );
      }
      for (const text of lines) yield { line: ++line, text: text.endsWith('\r') ? text.slice(0, -1) : text };
    }
    rest += decoder.decode();
    if (rest !== '') yield { line: line + 1, text: rest };
  } finally {
    await file.close();
  }
}
