import { DataError } from '../../errors.js';
import { readLines, readWhole } from './text.js';
import type { RawRow } from './types.js';

/** One JSON value a line; empty lines are skipped, lines that are no JSON are bad rows. */
export async function* jsonlRows(path: string): AsyncGenerator<RawRow> {
  for await (const { line, text } of readLines(path)) {
    if (text.trim() === '') continue;
    yield parseLine(line, text);
  }
}

function parseLine(line: number, text: string): RawRow {
  try {
    return { line, value: JSON.parse(text) };
  } catch (cause) {
    return { line, error: `no valid JSON (${(cause as Error).message})` };
  }
}

/** Keys below which files of other tools keep their rows. */
const ROW_KEYS = ['data', 'examples', 'rows', 'train'];

/**
 * A JSON array of rows, or an object that holds one under `data`, `examples`, `rows` or `train`; a file of JSON lines
 * that is only called .json is read as such. Throws DataError BAD_JSON.
 */
export async function* jsonRows(path: string): AsyncGenerator<RawRow> {
  const text = await readWhole(path);
  if (text.trim() === '') return;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (isJsonLines(text)) {
      yield* jsonlRows(path);
      return;
    }
    const reason = (cause as Error).message;
    throw new DataError('BAD_JSON', `Expected a JSON array of rows in ${path} but it cannot be read: ${reason}.`, {
      cause,
    });
  }
  const rows = rowsOf(value);
  if (rows === undefined) {
    throw new DataError('BAD_JSON', `Expected a JSON array of rows in ${path} (or one under ${ROW_KEYS.join(', ')}).`);
  }
  for (let i = 0; i < rows.length; i++) yield { line: i + 1, value: rows[i] };
}

function isJsonLines(text: string): boolean {
  const first = text.trimStart().split('\n', 1)[0]!.trim();
  return first.startsWith('{') && 'value' in parseLine(1, first);
}

function rowsOf(value: unknown): unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Record<string, unknown>;
  const key = ROW_KEYS.find((name) => Array.isArray(record[name]));
  // A single row in a file of its own is a row, not a container.
  return key === undefined ? [value] : (record[key] as unknown[]);
}
