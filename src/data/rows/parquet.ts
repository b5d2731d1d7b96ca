import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors as others } from 'hyparquet-compressors';
import { DataError } from '../../errors.js';
import type { RawRow, RowSource } from './types.js';

/** Uncompressed bytes of rows read at a time: a row group in one piece where it is smaller. */
const CHUNK_BYTES = 64 * 1024 * 1024;

const compressors = {
  ...others,
  // The native ones are faster, and bounded.
  GZIP: (input: Uint8Array, size: number) => new Uint8Array(gunzipSync(input, { maxOutputLength: size })),
  BROTLI: (input: Uint8Array, size: number) => new Uint8Array(brotliDecompressSync(input, { maxOutputLength: size })),
};

type Metadata = Awaited<ReturnType<typeof parquetMetadataAsync>>;

/** Ranges of rows to read at a time. A row group is decoded from its start each time, so a small one is never cut. */
function* rangesOf(metadata: Metadata): Generator<{ rowStart: number; rowEnd: number; bytes: number }> {
  let start = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    const parts = Math.max(1, Math.ceil(Number(group.total_byte_size) / CHUNK_BYTES));
    const step = Math.max(1, Math.ceil(rows / parts));
    const bytes = group.columns.reduce((sum, { meta_data }) => sum + Number(meta_data?.total_compressed_size ?? 0), 0);
    for (let at = 0; at < rows; at += step) {
      const end = Math.min(rows, at + step);
      yield { rowStart: start + at, rowEnd: start + end, bytes: (bytes * (end - at)) / rows };
    }
    start += rows;
  }
}

/** Rows of a Parquet file (uncompressed, snappy, gzip, brotli, zstd or lz4). Throws DataError BAD_PARQUET. */
export async function* parquetRows({ path, onBytes }: RowSource): AsyncGenerator<RawRow> {
  const fail = (cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new DataError('BAD_PARQUET', `${path} is no Parquet file that can be read: ${reason}.`, { cause });
  };
  let file: Awaited<ReturnType<typeof asyncBufferFromFile>>;
  let metadata: Metadata;
  try {
    file = await asyncBufferFromFile(path);
    metadata = await parquetMetadataAsync(file);
  } catch (cause) {
    throw fail(cause);
  }
  let line = 0;
  for (const { bytes, ...range } of rangesOf(metadata)) {
    let rows: Record<string, unknown>[];
    try {
      rows = await parquetReadObjects({ file, metadata, compressors, ...range });
    } catch (cause) {
      throw fail(cause);
    }
    if (rows.length !== range.rowEnd - range.rowStart) {
      throw fail(new Error(`it declares ${metadata.num_rows} rows but ends after ${line + rows.length}`));
    }
    onBytes?.(bytes);
    for (const value of rows) yield { line: ++line, value };
  }
}
