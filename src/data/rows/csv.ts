import { DataError } from '../../errors.js';
import { type Line, readLines } from './text.js';
import type { RawRow, RowSource } from './types.js';

/** Longest record: a quote that has not closed by then was no opening quote. */
const MAX_RECORD_CHARS = 1_200_000;

/** What may part the cells of a file called .csv, most likely first; Excel writes `;` where the comma is in numbers. */
const DELIMITERS = [',', ';', '\t', '|'];

interface Cells {
  readonly cells: string[];
  /** `open`: ends inside of a quoted cell; `broken`: something follows a closing quote. */
  readonly state: 'whole' | 'open' | 'broken';
}

/** The cells of a record by the rules of RFC 4180: `""` is a quote within a quoted cell. */
function strictCells(text: string, delimiter: string): Cells {
  const cells: string[] = [];
  for (let at = 0; ; ) {
    if (text[at] !== '"') {
      const end = text.indexOf(delimiter, at);
      cells.push(end < 0 ? text.slice(at) : text.slice(at, end));
      if (end < 0) return { cells, state: 'whole' };
      at = end + 1;
      continue;
    }
    let close = text.indexOf('"', at + 1);
    while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2);
    if (close < 0) return { cells, state: 'open' };
    cells.push(text.slice(at + 1, close).replaceAll('""', '"'));
    if (close + 1 === text.length) return { cells, state: 'whole' };
    if (text[close + 1] !== delimiter) return { cells, state: 'broken' };
    at = close + 2;
  }
}

/** The cells of one line where a quote that does not close before a delimiter is a letter like any other. */
function looseCells(text: string, delimiter: string): string[] {
  const cells: string[] = [];
  const quoted = new RegExp(`"((?:[^"]|"")*)"(?=\\${delimiter}|$)`, 'y');
  for (let at = 0; ; ) {
    quoted.lastIndex = at;
    const match = text[at] === '"' ? quoted.exec(text) : null;
    const found = match === null ? text.indexOf(delimiter, at) : at + match[0].length;
    const end = found < 0 ? text.length : found;
    cells.push(match === null ? text.slice(at, end) : match[1]!.replaceAll('""', '"'));
    if (end >= text.length) return cells;
    at = end + 1;
  }
}

/** Lines that can be taken back. */
class LineQueue {
  readonly #lines: AsyncGenerator<Line>;
  readonly #back: Line[] = [];

  constructor(lines: AsyncGenerator<Line>) {
    this.#lines = lines;
  }

  async take(): Promise<Line | undefined> {
    if (this.#back.length > 0) return this.#back.pop();
    const { value, done } = await this.#lines.next();
    return done ? undefined : value;
  }

  /** In their order. */
  putBack(lines: readonly Line[]): void {
    for (let i = lines.length - 1; i >= 0; i--) this.#back.push(lines[i]!);
  }

  close(): Promise<unknown> {
    return this.#lines.return(undefined);
  }
}

interface CsvRecord {
  readonly line: number;
  readonly cells: readonly string[];
  /** Lines that it goes over. */
  readonly height?: number;
  readonly note?: string;
}

/**
 * The record that begins with `first`. One that is not closed, or not rightly, costs no line but its own: reading goes on
 * with the next one, and quotes in it are text. (csv-parse stays inside of such a cell up to the next quote of the file.)
 */
async function recordFrom(first: Line, lines: LineQueue, delimiter: string, columns?: number): Promise<CsvRecord> {
  const taken = [first];
  let text = first.text;
  let result = strictCells(text, delimiter);
  while (result.state === 'open' && text.length < MAX_RECORD_CHARS) {
    const next = await lines.take();
    if (next === undefined) break;
    text += (taken.at(-1)!.end || '\n') + next.text;
    taken.push(next);
    // Without a quote, doubled ones aside, the next line cannot end the cell.
    if (next.text.replaceAll('""', '').includes('"')) result = strictCells(text, delimiter);
  }
  const fits = columns === undefined || result.cells.length === columns;
  if (result.state === 'whole' && fits) return { line: first.line, cells: result.cells };
  const loose = looseCells(first.text, delimiter);
  if (result.state === 'whole' && (taken.length === 1 || loose.length !== columns)) {
    return { line: first.line, cells: result.cells, height: taken.length };
  }
  lines.putBack(taken.slice(1));
  return { line: first.line, cells: loose, note: 'a quote that does not close is read as text' };
}

/** A line as a record of its own, without quoting: TSV. */
const plainRecord = (line: Line, delimiter: string): CsvRecord => ({
  line: line.line,
  cells: line.text.split(delimiter),
});

function delimiterOf(path: string, header: string): string {
  if (/\.tsv(\.\w+)?$/i.test(path)) return '\t';
  const bare = header.replace(/"(?:[^"]|"")*"/g, '');
  return DELIMITERS.find((delimiter) => bare.includes(delimiter)) ?? ',';
}

function checkHeader(names: readonly string[], path: string): string[] {
  const header = names.map((name) => name.trim());
  const twice = header.find((name, i) => name !== '' && header.indexOf(name) !== i);
  if (twice === undefined) return header;
  throw new DataError('BAD_CSV', `Two columns of ${path} are called "${twice}". Rename one in its first line.`);
}

/**
 * Rows of a CSV (or, by its name, TSV) file whose first line names the columns. In CSV a quote that does not close is
 * text; TSV has no quoting at all. A row with more or fewer cells than columns is a bad row.
 *
 * Throws DataError BAD_CSV and those of the text.
 */
export async function* csvRows(source: RowSource): AsyncGenerator<RawRow> {
  const lines = new LineQueue(readLines(source));
  try {
    let first = await lines.take();
    const told = /^sep=(.)$/i.exec(first?.text ?? '')?.[1];
    if (told !== undefined) first = await lines.take();
    while (first !== undefined && first.text.trim() === '') first = await lines.take();
    if (first === undefined) return;
    const delimiter = told ?? delimiterOf(source.path, first.text);
    const quoting = !/\.tsv(\.\w+)?$/i.test(source.path);
    const read = (line: Line, columns?: number) =>
      quoting ? recordFrom(line, lines, delimiter, columns) : plainRecord(line, delimiter);
    const header = checkHeader((await read(first)).cells, source.path);
    for (let line = await lines.take(); line !== undefined; line = await lines.take()) {
      if (line.text.trim() === '') continue;
      yield toRow(await read(line, header.length), header, delimiter);
    }
  } finally {
    await lines.close();
  }
}

function toRow({ line, cells, height = 1, note }: CsvRecord, header: readonly string[], delimiter: string): RawRow {
  if (cells.length !== header.length) {
    const hint = delimiter === '\t' ? '; a tab or a line end within a cell cannot be told' : '';
    const where = height > 1 ? ` (lines ${line} to ${line + height - 1})` : '';
    return {
      line,
      error: `it has ${cells.length} cells but the first line names ${header.length} columns${where}${hint}`,
    };
  }
  const value = Object.fromEntries(header.map((name, i) => [name, cells[i]!]));
  return note === undefined ? { line, value } : { line, value, note };
}
