import { createHash, type Hash } from 'node:crypto';
import { writeAtomic } from '../files.js';
import type { ErrorClass } from '../safetensors/header.js';
import { hashFile } from '../sha256.js';

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

async function* hashed(pieces: Pieces, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

/** Writes a file atomically, piece after piece; it is read back and its sha256 compared before it gets its name. Throws `Failure` WRITE_FAILED. */
export async function writeVerified(path: string, pieces: Pieces, Failure: ErrorClass): Promise<void> {
  const hash = createHash('sha256');
  await writeAtomic(path, hashed(pieces, hash), {
    check: async (temporary) => {
      if ((await hashFile(temporary)) === hash.digest('hex')) return;
      throw new Failure('WRITE_FAILED', `${path} does not read back as it was written. Check the disk and try again.`);
    },
  });
}
