import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { parse } from 'csv-parse';
import { DataError } from '../../errors.js';
import { checkEncoding } from './text.js';
import { MAX_LINE_BYTES, type RawRow } from './types.js';

interface CsvRecord {
  readonly record: Record<string, string>;
  readonly info: { readonly lines: number };
}

/** Rows of a CSV (or, by its name, TSV) file whose first line names the columns. Throws DataError BAD_CSV. */
export async function* csvRows(path: string): AsyncGenerator<RawRow> {
  await checkHead(path);
  const bad: RawRow[] = [];
  const parser = createReadStream(path).pipe(
    parse({
      bom: true,
      columns: true,
      delimiter: path.toLowerCase().endsWith('.tsv') ? '\t' : ',',
      info: true,
      max_record_size: MAX_LINE_BYTES,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (error) => {
        bad.push({ line: Number(error?.lines ?? 0), error: error?.message ?? 'no valid CSV' });
        return undefined;
      },
    }),
  );
  try {
    for await (const item of parser) {
      yield* bad.splice(0);
      const { record, info } = item as CsvRecord;
      yield { line: info.lines, value: record };
    }
  } catch (cause) {
    throw new DataError('BAD_CSV', `${path} is no CSV file that can be read: ${(cause as Error).message}`, { cause });
  }
  yield* bad.splice(0);
}

async function checkHead(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(4);
    await file.read(head, 0, 4, 0);
    checkEncoding(path, head);
  } finally {
    await file.close();
  }
}
