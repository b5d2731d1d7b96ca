import { DataError } from '../../errors.js';
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

/** How a file called .jsonl is written in truth; the first line says. */
async function layoutOf(source: RowSource): Promise<'lines' | 'array' | 'values'> {
  for await (const { text } of readLines({ ...source, onBytes: undefined })) {
    const line = text.trim();
    if (line === '') continue;
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
/** Keys that are the names of splits; all of them are read. */
const SPLIT_KEYS = ['train', 'training', 'validation', 'valid', 'val', 'dev', 'test', 'testing', 'eval'];

/** A row whose place in the file says to which split it belongs. */
export interface SplitRow extends RawRow {
  readonly split?: string;
}

const isRows = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null);

/** Rows of the one object that a file is: a container of rows, or a row itself. */
function* rowsOfObject(value: Record<string, unknown>): Generator<SplitRow> {
  const keys = Object.keys(value);
  const splits = keys.filter((key) => SPLIT_KEYS.includes(key.toLowerCase()) && isRows(value[key]));
  const isRow = keys.some((name) => ANSWERS.includes(name));
  let line = 0;
  if (splits.length > 0 && !isRow) {
    for (const split of splits) {
      for (const row of value[split] as unknown[]) yield { line: ++line, value: row, split };
    }
    return;
  }
  const key = ROW_KEYS.find((name) => isRows(value[name]));
  // A single row in a file of its own is a row, not a container: it has its answer beside the list.
  if (key === undefined || isRow) yield { line: 1, value };
  else for (const row of value[key] as unknown[]) yield { line: ++line, value: row };
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
  for await (const { text } of readLines({ ...source, onBytes: undefined })) {
    if (text.trim() === '') continue;
    if (whole) return true;
    whole = text.trim().startsWith('{') && 'value' in parsed(1, text.trim());
    if (!whole) return false;
  }
  return false;
}
