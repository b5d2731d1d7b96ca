import { createReadStream } from 'node:fs';
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

/**
 * Rows of an Arrow file or stream, such as `datasets.save_to_disk` and its cache write, record batch by record batch.
 * Throws DataError BAD_ARROW.
 */
export async function* arrowRows({ path, onBytes }: RowSource): AsyncGenerator<RawRow> {
  // Half a megabyte of code that only readers of such files need.
  const { RecordBatchReader } = await import('apache-arrow');
  const stream = createReadStream(path, { highWaterMark: 1 << 20 });
  stream.on('data', (chunk) => onBytes?.(chunk.length));
  stream.pause();
  let line = 0;
  try {
    const reader = await RecordBatchReader.from(stream);
    for await (const batch of reader) {
      for (const row of batch) yield { line: ++line, value: plain(row) };
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError('BAD_ARROW', `${path} is no Arrow file that can be read: ${reason}.`, { cause });
  } finally {
    stream.destroy();
  }
}
