import { DataError } from '../errors.js';
import { type DataFile, resolveDataFiles } from './files.js';
import { convertRow, DATA_FORMATS, RowError } from './formats.js';
import { readRows } from './rows/index.js';
import type { RawRow } from './rows/types.js';
import type { BadRow, DataFormat, Example, LoadedData, ReadOptions } from './types.js';

/** How many bad rows are kept for the report; all are counted. */
const MAX_REPORTED = 100;

function parseFormat(format: string | undefined): DataFormat | undefined {
  if (format === undefined || format === 'auto') return undefined;
  const found = DATA_FORMATS.find((name) => name === format);
  if (found !== undefined) return found;
  throw new DataError(
    'UNKNOWN_FORMAT',
    `Expected a data format out of auto, ${DATA_FORMATS.join(', ')} but received "${format}".`,
  );
}

function toExample(file: DataFile, row: RawRow, format: DataFormat | undefined): Example {
  if (row.error !== undefined) throw new RowError(row.error);
  const { owner = file.owner, ...content } = convertRow(row.value, format);
  return {
    id: `${file.label}:${row.line}`,
    ...content,
    ...(owner === undefined ? {} : { owner }),
    ...(file.split === undefined ? {} : { split: file.split }),
  };
}

async function* readFile(file: DataFile, options: ReadOptions): AsyncGenerator<Example> {
  const format = parseFormat(options.format);
  for await (const row of readRows(file.path)) {
    let example: Example;
    try {
      example = toExample(file, row, format);
    } catch (cause) {
      if (!(cause instanceof RowError)) throw cause;
      const bad = { file: file.label, line: row.line, reason: cause.message };
      if (options.onBadRow === 'fatal') {
        throw new DataError('BAD_ROW', `Row ${bad.line} of ${file.path} cannot be used: ${bad.reason}.`, { cause });
      }
      options.reportBadRow?.(bad);
      continue;
    }
    yield example;
  }
}

/**
 * Reads a data set example by example, file after file in natural order. Rows that do not fit are reported and skipped,
 * or end the reading (`onBadRow: 'fatal'`).
 *
 * Throws DataError DATA_NOT_FOUND, UNKNOWN_FORMAT, UNKNOWN_EXTENSION, BAD_ROW, BAD_JSON, BAD_CSV, BAD_PARQUET,
 * BAD_ENCODING, TOO_LARGE, LINE_TOO_LONG.
 */
export async function* readExamples(spec: string, options: ReadOptions = {}): AsyncGenerator<Example> {
  parseFormat(options.format);
  for (const file of await resolveDataFiles(spec, options)) yield* readFile(file, options);
}

/** Reads a whole data set. Besides the errors of readExamples throws DataError NO_EXAMPLES where no row could be used. */
export async function loadExamples(spec: string, options: ReadOptions = {}): Promise<LoadedData> {
  parseFormat(options.format);
  const files = await resolveDataFiles(spec, options);
  const examples: Example[] = [];
  const badRows: BadRow[] = [];
  let numBadRows = 0;
  const reportBadRow = (row: BadRow) => {
    if (numBadRows++ < MAX_REPORTED) badRows.push(row);
    options.reportBadRow?.(row);
  };
  for (const file of files) {
    for await (const example of readFile(file, { ...options, reportBadRow })) examples.push(example);
  }
  if (examples.length > 0) return { examples, files: files.map(({ path }) => path), numBadRows, badRows };
  const first = badRows[0];
  const why =
    first === undefined
      ? 'it has no rows'
      : `none of its ${numBadRows} rows can be used; row ${first.line} of ${first.file}: ${first.reason}`;
  throw new DataError('NO_EXAMPLES', `Expected examples in "${spec}" but ${why}.`);
}
