import { extname } from 'node:path';
import { DataError } from '../../errors.js';
import { arrowRows } from './arrow.js';
import { PACKED_EXTENSIONS } from './bytes.js';
import { csvRows } from './csv.js';
import { jsonlRows, jsonRows } from './json.js';
import { parquetRows } from './parquet.js';
import { decoderOf, readLines } from './text.js';
import type { RawRow, RowReader, RowSource } from './types.js';

/** Paragraphs, parted by empty lines, as `{text}`. */
async function* textRows(source: RowSource): AsyncGenerator<RawRow> {
  let paragraph: string[] = [];
  let started = 0;
  const take = (): RawRow[] => {
    const text = paragraph.join('').trim();
    paragraph = [];
    return text === '' ? [] : [{ line: ++started, value: { text } }];
  };
  for await (const { text, end } of readLines(source)) {
    if (text.trim() === '') yield* take();
    else paragraph.push(text, end);
  }
  yield* take();
}

const BY_EXTENSION: Readonly<Record<string, RowReader>> = {
  '.json': jsonRows,
  '.jsonl': jsonlRows,
  '.ndjson': jsonlRows,
  '.csv': csvRows,
  '.tsv': csvRows,
  '.parquet': parquetRows,
  '.arrow': arrowRows,
  '.txt': textRows,
};

export const DATA_EXTENSIONS: readonly string[] = Object.keys(BY_EXTENSION);
/** Those whose files may be packed. */
const TEXT_EXTENSIONS = DATA_EXTENSIONS.filter((extension) => !['.parquet', '.arrow'].includes(extension));

/** The part of a file's name that says how to read it (`.jsonl`, `.csv.gz`); undefined where it is no data file. */
export function dataExtension(name: string): string | undefined {
  const last = extname(name).toLowerCase();
  if (Object.hasOwn(BY_EXTENSION, last)) return last;
  if (!PACKED_EXTENSIONS.includes(last)) return undefined;
  const inner = extname(name.slice(0, -last.length)).toLowerCase();
  return TEXT_EXTENSIONS.includes(inner) ? `${inner}${last}` : undefined;
}

/**
 * Rows of a file, by the extension of its name. Throws DataError UNKNOWN_EXTENSION, BAD_ENCODING and those of the
 * readers.
 */
export function readRows(source: RowSource): AsyncGenerator<RawRow> {
  decoderOf(source.encoding);
  const extension = dataExtension(source.path);
  if (extension !== undefined) return BY_EXTENSION[extension.replace(/\.(gz|zst)$/, '')]!(source);
  throw new DataError(
    'UNKNOWN_EXTENSION',
    `Expected a data file ending in ${DATA_EXTENSIONS.join(', ')} (text also packed: ${PACKED_EXTENSIONS.join(', ')}) ` +
      `but received ${source.path}.`,
  );
}
