import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { DataError } from '../../errors.js';
import type { RawRow } from './types.js';

/** Rows read at a time; bounds the memory, whatever the size of the row groups. */
const CHUNK_ROWS = 4096;

const compressors = {
  GZIP: (input: Uint8Array, size: number) => new Uint8Array(gunzipSync(input, { maxOutputLength: size })),
  BROTLI: (input: Uint8Array, size: number) => new Uint8Array(brotliDecompressSync(input, { maxOutputLength: size })),
};

/** Rows of a Parquet file (uncompressed, snappy, gzip or brotli). Throws DataError BAD_PARQUET. */
export async function* parquetRows(path: string): AsyncGenerator<RawRow> {
  const fail = (cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new DataError('BAD_PARQUET', `${path} is no Parquet file that can be read: ${reason}.`, { cause });
  };
  let file: Awaited<ReturnType<typeof asyncBufferFromFile>>;
  let metadata: Awaited<ReturnType<typeof parquetMetadataAsync>>;
  try {
    file = await asyncBufferFromFile(path);
    metadata = await parquetMetadataAsync(file);
  } catch (cause) {
    throw fail(cause);
  }
  const total = Number(metadata.num_rows);
  for (let start = 0; start < total; start += CHUNK_ROWS) {
    const range = { rowStart: start, rowEnd: Math.min(total, start + CHUNK_ROWS) };
    let rows: Record<string, unknown>[];
    try {
      rows = await parquetReadObjects({ file, metadata, compressors, ...range });
    } catch (cause) {
      throw fail(cause);
    }
    if (rows.length === 0) throw fail(new Error(`it declares ${total} rows but ends after ${start}`));
    for (let i = 0; i < rows.length; i++) yield { line: start + i + 1, value: rows[i] };
  }
}
