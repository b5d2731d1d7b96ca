import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { DataError } from '../../errors.js';
import type { RowSource } from './types.js';

/** Extensions of packed files, behind the one that says what is inside: `a.jsonl.gz`. */
export const PACKED_EXTENSIONS: readonly string[] = ['.gz', '.zst'];

const CHUNK_BYTES = 1 << 20;

async function* counted(source: RowSource): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(source.path, { highWaterMark: CHUNK_BYTES })) {
    source.onBytes?.((chunk as Buffer).length);
    yield chunk as Buffer;
  }
}

/** zstd in JavaScript: node:zlib has it from Node 22.15 only. */
async function* unzstd(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let out: Buffer[] = [];
  const stream = new Decompress((chunk) => {
    out.push(Buffer.from(chunk));
  });
  for await (const chunk of chunks) {
    stream.push(chunk);
    yield* out;
    out = [];
  }
  stream.push(new Uint8Array(0), true);
  yield* out;
}

/** The bytes of a file, unpacked where its name ends in `.gz` or `.zst`. Throws DataError BAD_PACKED. */
export async function* readBytes(source: RowSource): AsyncGenerator<Buffer> {
  const name = source.path.toLowerCase();
  const packed = PACKED_EXTENSIONS.find((extension) => name.endsWith(extension));
  if (packed === undefined) {
    yield* counted(source);
    return;
  }
  try {
    if (packed === '.zst') yield* unzstd(counted(source));
    else {
      const raw = createReadStream(source.path, { highWaterMark: CHUNK_BYTES });
      raw.on('data', (chunk) => source.onBytes?.(chunk.length));
      const unpacked = createGunzip({ chunkSize: CHUNK_BYTES });
      raw.on('error', (error) => unpacked.destroy(error));
      for await (const chunk of raw.pipe(unpacked)) yield chunk as Buffer;
    }
  } catch (cause) {
    throw new DataError('BAD_PACKED', `${source.path} cannot be unpacked: ${(cause as Error).message}.`, { cause });
  }
}
