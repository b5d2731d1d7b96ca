import { type FileHandle, open } from 'node:fs/promises';
import type { RecordBatch } from 'apache-arrow';
import { DataError } from '../../errors.js';
import type { RawRow, RowSource } from './types.js';

/** Nested values as plain JavaScript, as the other readers give them. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date || ArrayBuffer.isView(value)) return value;
  const { toJSON } = value as { toJSON?: () => unknown };
  const json = typeof toJSON === 'function' ? toJSON.call(value) : value;
  if (Array.isArray(json)) return json.map(plain);
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, plain(item)]));
}

/** A stream ends with an empty message, a file with its magic; the library reads on without either. */
async function checkEnd(file: FileHandle, size: number): Promise<void> {
  const tail = Buffer.alloc(Math.min(8, size));
  await file.read(tail, 0, tail.length, size - tail.length);
  const ends = tail.toString('latin1').endsWith('ARROW1') || tail.toString('hex') === 'ffffffff00000000';
  if (!ends) throw new Error('its end is missing: it was cut off, or is still being written');
}

/**
 * Rows of an Arrow file or stream, such as `datasets.save_to_disk` and its cache write, record batch by record batch.
 * Throws DataError BAD_ARROW.
 */
export async function* arrowRows({ path, onBytes }: RowSource): AsyncGenerator<RawRow> {
  // Half a megabyte of code that only readers of such files need.
  const { RecordBatchReader } = await import('apache-arrow');
  const file = await open(path, 'r');
  let line = 0;
  try {
    const { size } = await file.stat();
    const reader = await RecordBatchReader.from(file);
    await reader.open();
    // The library takes any bytes for an empty stream.
    if ((reader.schema?.fields.length ?? 0) === 0) throw new Error('it has no schema');
    await checkEnd(file, size);
    for await (const batch of reader as AsyncIterable<RecordBatch>) {
      for (const row of batch) yield { line: ++line, value: plain(row) };
    }
    // The library does not say how far it has read.
    onBytes?.(size);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(
      'BAD_ARROW',
      `${path} is no Arrow file that can be read: ${reason}. Where datasets reads it, write it anew as Parquet (to_parquet).`,
      { cause },
    );
  } finally {
    await file.close().catch(() => {});
  }
}
