import { stat } from 'node:fs/promises';
import { DataError, InterruptedError } from '../errors.js';
import { RowError } from './columns.js';
import { type DataFile, resolveDataFiles } from './files.js';
import { DATA_FORMATS, type Understood, understandRow } from './formats.js';
import { readRows } from './rows/index.js';
import type { SplitRow } from './rows/json.js';
import { DataTally } from './summary.js';
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

interface Reading {
  readonly options: ReadOptions;
  readonly tally: DataTally;
  /** Columns that any row had: a mapped one that none has is a mistake. */
  readonly seen: Set<string>;
}

function toExample(file: DataFile, row: SplitRow, { content }: Understood): Example {
  const owner = content.owner ?? file.owner;
  const split = content.split ?? row.split ?? file.split;
  return {
    id: `${file.label}:${row.line}${row.part === undefined ? '' : `.${row.part}`}`,
    ...content,
    ...(owner === undefined ? {} : { owner }),
    ...(split === undefined ? {} : { split }),
    ...(file.domain === undefined ? {} : { domain: file.domain }),
  };
}

/** A task with several instances, as Self-Instruct keeps them, is a row for each; any other row is one. */
function* instancesOf(row: SplitRow): Generator<SplitRow> {
  const { instances, ...task } = (row.value ?? {}) as Record<string, unknown>;
  const listed =
    typeof task.instruction === 'string' &&
    Array.isArray(instances) &&
    instances.length > 0 &&
    task.output === undefined;
  if (!listed || !instances.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one))) {
    yield row;
    return;
  }
  for (const [i, one] of instances.entries()) yield { ...row, part: i + 1, value: { ...task, ...one } };
}

async function* rowsOf(file: DataFile, encoding: string, onBytes: (bytes: number) => void): AsyncGenerator<SplitRow> {
  for await (const row of readRows({ path: file.path, encoding, onBytes })) yield* instancesOf(row);
}

async function* readFile(file: DataFile, reading: Reading, onBytes: (bytes: number) => void): AsyncGenerator<Example> {
  const { options, tally, seen } = reading;
  const format = parseFormat(options.format);
  const how = { format, columns: options.columns, labelColumn: options.labelColumn };
  tally.add('files');
  let isEmpty = true;
  for await (const row of rowsOf(file, options.encoding ?? 'utf-8', onBytes)) {
    if (options.signal?.aborted) throw new InterruptedError('Interrupted.');
    tally.add('rows');
    isEmpty = false;
    if (row.note !== undefined) tally.reason(row.note, `${file.label}:${row.line}`);
    let understood: Understood;
    try {
      if (row.error !== undefined) throw new RowError(row.error);
      if (typeof row.value === 'object' && row.value !== null) for (const key of Object.keys(row.value)) seen.add(key);
      understood = understandRow(row.value, how);
    } catch (cause) {
      // Values that are nested too deeply run out of stack: those of a row are the row's fault.
      if (!(cause instanceof RowError || cause instanceof RangeError)) throw cause;
      const reason = cause instanceof RowError ? cause.message : `it is nested too deeply (${cause.message})`;
      const bad = { file: file.label, line: row.line, reason };
      if (options.onBadRow === 'fatal') {
        throw new DataError('BAD_ROW', `Row ${bad.line} of ${file.path} cannot be used: ${bad.reason}.`, { cause });
      }
      tally.bad(bad);
      options.reportBadRow?.(bad);
      continue;
    }
    tally.unused(understood.unused);
    tally.add('turnsLeftOut', understood.turnsLeftOut);
    if (understood.weightless) tally.add('weightless');
    else yield toExample(file, row, understood);
  }
  // Where a file is an owner, this one would be missing without a word.
  if (isEmpty) {
    tally.reason('the file has no rows', file.label);
    options.reportWarning?.(`${file.label} has no rows.`);
  }
}

/** A mapped column that no row has. Throws DataError UNKNOWN_COLUMN. */
function checkColumns({ options, seen }: Reading): void {
  const wanted = [...Object.values(options.columns ?? {}).flat(), options.labelColumn];
  const missing = wanted.filter((name): name is string => typeof name === 'string' && !seen.has(name));
  if (missing.length === 0 || seen.size === 0) return;
  throw new DataError(
    'UNKNOWN_COLUMN',
    `Expected the data to have the column${missing.length > 1 ? 's' : ''} ${missing.join(', ')} but its rows have: ` +
      `${[...seen].slice(0, 20).join(', ')}.`,
  );
}

async function* readAll(files: readonly DataFile[], reading: Reading): AsyncGenerator<Example> {
  const { onProgress } = reading.options;
  const sizes = await Promise.all(
    files.map(({ path }) =>
      stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  let bytes = 0;
  const onBytes = (more: number): void => {
    bytes += more;
    onProgress?.({ bytes: Math.min(bytes, totalBytes), totalBytes });
  };
  for (const file of files) yield* readFile(file, reading, onBytes);
  checkColumns(reading);
}

/** The files of a data set; what is strange about where they come from is tallied. */
function filesFor(spec: string | readonly string[], options: ReadOptions, tally: DataTally): Promise<DataFile[]> {
  const reportWarning = (sentence: string): void => {
    tally.reason(sentence, String(spec));
    options.reportWarning?.(sentence);
  };
  return resolveDataFiles(spec, { ...options, reportWarning });
}

/**
 * Reads a data set example by example, file after file in natural order. Rows that do not fit are reported and skipped,
 * or end the reading (`onBadRow: 'fatal'`). `tally` counts what becomes of the rows.
 *
 * Throws DataError DATA_NOT_FOUND, UNKNOWN_FORMAT, UNKNOWN_EXTENSION, UNKNOWN_COLUMN, BAD_ROW, BAD_JSON, BAD_CSV,
 * BAD_PARQUET, BAD_ARROW, BAD_ENCODING, BAD_PACKED, TOO_LARGE, LINE_TOO_LONG; InterruptedError when `signal` fires.
 */
export async function* readExamples(
  spec: string | readonly string[],
  options: ReadOptions = {},
  tally: DataTally = new DataTally(),
): AsyncGenerator<Example> {
  parseFormat(options.format);
  yield* readAll(await filesFor(spec, options, tally), { options, tally, seen: new Set() });
}

/** Reads a whole data set. Besides the errors of readExamples throws DataError NO_EXAMPLES where no row could be used. */
export async function loadExamples(spec: string | readonly string[], options: ReadOptions = {}): Promise<LoadedData> {
  parseFormat(options.format);
  const tally = new DataTally();
  const files = await filesFor(spec, options, tally);
  const examples: Example[] = [];
  const badRows: BadRow[] = [];
  const reportBadRow = (row: BadRow) => {
    if (badRows.length < MAX_REPORTED) badRows.push(row);
    options.reportBadRow?.(row);
  };
  const reading = { options: { ...options, reportBadRow }, tally, seen: new Set<string>() };
  for await (const example of readAll(files, reading)) examples.push(example);
  const summary = tally.summary();
  const numBadRows = summary.bad;
  if (examples.length > 0) return { examples, files: files.map(({ path }) => path), numBadRows, badRows, summary };
  const first = badRows[0];
  const why =
    first === undefined
      ? summary.weightless > 0
        ? `all of its ${summary.weightless} rows have weight 0`
        : 'it has no rows'
      : `none of its ${numBadRows} rows can be used; row ${first.line} of ${first.file}: ${first.reason}`;
  const name = typeof spec === 'string' ? spec : spec.join(', ');
  throw new DataError('NO_EXAMPLES', `Expected examples in "${name}" but ${why}.`);
}
