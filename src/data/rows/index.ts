import { extname } from 'node:path';
import { DataError } from '../../errors.js';
import { csvRows } from './csv.js';
import { jsonlRows, jsonRows } from './json.js';
import { parquetRows } from './parquet.js';
import { readWhole } from './text.js';
import type { RawRow } from './types.js';

/** Paragraphs, parted by empty lines, as `{text}`. */
async function* textRows(path: string): AsyncGenerator<RawRow> {
  const paragraphs = (await readWhole(path)).split(/\r?\n[ \t]*\r?\n/);
  let line = 0;
  for (const paragraph of paragraphs) {
    if (paragraph.trim() !== '') yield { line: ++line, value: { text: paragraph.trim() } };
  }
}

const BY_EXTENSION: Readonly<Record<string, (path: string) => AsyncGenerator<RawRow>>> = {
  '.json': jsonRows,
  '.jsonl': jsonlRows,
  '.ndjson': jsonlRows,
  '.csv': csvRows,
  '.tsv': csvRows,
  '.parquet': parquetRows,
  '.txt': textRows,
};

export const DATA_EXTENSIONS: readonly string[] = Object.keys(BY_EXTENSION);

/** Rows of a file, by the extension of its name. Throws DataError UNKNOWN_EXTENSION and those of the readers. */
export function readRows(path: string): AsyncGenerator<RawRow> {
  const extension = extname(path).toLowerCase();
  const reader = BY_EXTENSION[extension];
  if (reader !== undefined) return reader(path);
  throw new DataError(
    'UNKNOWN_EXTENSION',
    `Expected a data file ending in ${DATA_EXTENSIONS.join(', ')} but received ${path}.`,
  );
}
