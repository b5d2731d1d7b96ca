import { DataError } from '../../errors.js';
import { splitOf } from '../splits.js';
import type { Split } from '../types.js';
import { jsonFault, parseJson } from './jsonText.js';
import { jsonValues } from './jsonValues.js';
import { readLines, readText } from './text.js';
import type { RawRow, RowSource } from './types.js';

function parsed(line: number, text: string): RawRow {
  try {
    return { line, value: parseJson(text) };
  } catch (cause) {
    return { line, error: `no valid JSON (${jsonFault(cause)})` };
  }
}

/** Whether a list is a conversation, and so one row, rather than a list of rows. */
function isConversation(list: readonly unknown[]): boolean {
  return list.every((item) => {
    if (typeof item === 'string') return true;
    if (typeof item !== 'object' || item === null) return false;
    return Array.isArray(item) || ['role', 'from', 'content', 'value'].some((key) => Object.hasOwn(item, key));
  });
}

/** The rows of one line: an array that is no conversation holds several. */
function* rowsOfLine(row: RawRow): Generator<RawRow> {
  if (!Array.isArray(row.value) || row.value.length === 0 || isConversation(row.value)) {
    yield row;
    return;
  }
  for (const [i, value] of row.value.entries()) yield { line: row.line, part: i + 1, value };
}

/** Lines with something in them; undefined for one that is too long to be a row. */
async function* linesOf(source: RowSource): AsyncGenerator<string | undefined> {
  try {
    for await (const { text } of readLines({ ...source, onBytes: undefined }))
      if (text.trim() !== '') yield text.trim();
  } catch (error) {
    if (!(error instanceof DataError && error.code === 'LINE_TOO_LONG')) throw error;
    yield undefined;
  }
}

/** How a file called .jsonl is written in truth; the first line says. */
async function layoutOf(source: RowSource): Promise<'lines' | 'array' | 'values'> {
  for await (const line of linesOf(source)) {
    // All of a large file on one line, as json.dump writes it.
    if (line === undefined) return (await firstCharacter(source)) === '[' ? 'array' : 'lines';
    if ('value' in parsed(1, line)) return 'lines';
    // An array over several lines, or objects as pretty printers write them.
    return line.startsWith('[') ? 'array' : line === '{' ? 'values' : 'lines';
  }
  return 'lines';
}

/** Values of an array or of a file that is a sequence of values, by their number. */
async function* numbered(source: RowSource, depth: 0 | 1): AsyncGenerator<RawRow> {
  let number = 0;
  for await (const { text } of jsonValues(readText(source), { depth, path: source.path })) yield parsed(++number, text);
}

/**
 * One JSON value a line; empty lines are skipped, lines that are no JSON are bad rows. A file that is an array, or whose
 * objects go over several lines, is read as what it is. Throws DataError BAD_JSON and those of the text.
 */
export async function* jsonlRows(source: RowSource): AsyncGenerator<RawRow> {
  const layout = await layoutOf(source);
  if (layout !== 'lines') {
    yield* numbered(source, layout === 'array' ? 1 : 0);
    return;
  }
  for await (const { line, text } of readLines(source)) {
    if (text.trim() !== '') yield* rowsOfLine(parsed(line, text.trim()));
  }
}

/** Keys below which files of other tools keep their rows. */
const ROW_KEYS = ['data', 'examples', 'rows', 'instances'];

/** A row whose place in the file says to which split it belongs. */
export interface SplitRow extends RawRow {
  readonly split?: Split;
}

const isRows = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null);

/** Rows of the one object that a file is: a container of rows (all splits that it names, or one list), or a row itself. */
function* rowsOfObject(value: Record<string, unknown>): Generator<SplitRow> {
  const lists = Object.keys(value).filter((key) => isRows(value[key]));
  const splits = lists.filter((key) => splitOf(key) !== undefined);
  const read = splits.length > 0 ? splits : ROW_KEYS.filter((key) => lists.includes(key)).slice(0, 1);
  const hasRows = (key: string): boolean => (value[key] as unknown[]).length > 0;
  const others = lists.filter((key) => !read.includes(key) && hasRows(key));
  // A single row in a file of its own is a row, not a container: it has its answer or its task beside the list.
  const isRow = typeof value.instruction === 'string' || Object.keys(value).some((name) => ANSWERS.includes(name));
  if (isRow || (others.length > 0 ? !read.some(hasRows) : read.length === 0)) {
    yield { line: 1, value };
    return;
  }
  const note = `rows below other keys are left out: ${others.join(', ').slice(0, 100)}`;
  let line = 0;
  for (const key of read) {
    const split = splitOf(key);
    for (const row of value[key] as unknown[]) {
      const first = ++line === 1 && others.length > 0;
      yield { line, value: row, ...(split === undefined ? {} : { split }), ...(first ? { note } : {}) };
    }
  }
}

/** What only a row has. */
const ANSWERS = ['output', 'response', 'completion', 'answer', 'messages', 'conversations', 'text'];

async function firstCharacter(source: RowSource): Promise<string> {
  for await (const chunk of readText({ ...source, onBytes: undefined })) {
    const text = chunk.trimStart();
    if (text !== '') return text[0]!;
  }
  return '';
}

/**
 * A JSON array of rows; an object that holds one under `data`, `examples`, `rows`, `instances` or under the names of
 * splits; or JSON lines that are only called .json. Throws DataError BAD_JSON.
 */
export async function* jsonRows(source: RowSource): AsyncGenerator<SplitRow> {
  const first = await firstCharacter(source);
  if (first === '') return;
  if (first === '[') {
    yield* numbered(source, 1);
    return;
  }
  if (first !== '{') throw new DataError('BAD_JSON', `Expected a JSON array of rows in ${source.path}.`);
  if (await isJsonLines(source)) {
    yield* jsonlRows(source);
    return;
  }
  const rows: RawRow[] = [];
  for await (const row of numbered(source, 0)) {
    rows.push(row);
    if (rows.length === 1) continue;
    // More than one value: each is a row.
    yield rows.shift()!;
  }
  const last = rows[0]!;
  if (last.error !== undefined && last.line === 1) {
    throw new DataError('BAD_JSON', `Expected a JSON array of rows in ${source.path} but it is ${last.error}.`);
  }
  if (last.line > 1 || typeof last.value !== 'object' || last.value === null) yield last;
  else yield* rowsOfObject(last.value as Record<string, unknown>);
}

/** Whether the first line is a whole object and not the whole file. */
async function isJsonLines(source: RowSource): Promise<boolean> {
  let whole = false;
  for await (const line of linesOf(source)) {
    if (whole) return true;
    whole = line?.startsWith('{') === true && 'value' in parsed(1, line);
    if (!whole) return false;
  }
  return false;
}
