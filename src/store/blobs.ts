import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readdirSync, readSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolderSync, removeQuietly, syncFolderSync, writeAllSync, writeError, writeFileInSteps } from '../files.js';
import { kindOf, TENSOR_TYPES, type Tensor, type TensorKind } from './document.js';
import type { Steps } from './steps.js';

/** Tensors pass in pieces of this many bytes, so that no other memory is taken. */
const PIECE_BYTES = 1 << 20;
const BLOB_NAME = /^[0-9a-f]{64}$/;

/** A tensor of a manifest: its bytes (little endian) are those of the blob that their sha256 names. */
export interface BlobEntry {
  readonly sha256: string;
  readonly kind: TensorKind;
  /** In entries of its kind. */
  readonly length: number;
}

const bytesOf = (tensor: Tensor): Uint8Array => new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength);

function* pieces(bytes: Uint8Array): Generator<readonly [number, Uint8Array]> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield [at, bytes.subarray(at, at + PIECE_BYTES)];
}

function* sha256Of(bytes: Uint8Array): Steps<string> {
  const hash = createHash('sha256');
  for (const [, piece] of pieces(bytes)) {
    hash.update(piece);
    yield;
  }
  return hash.digest('hex');
}

/** Names in a folder; none where there is no folder. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw writeError(dir, cause);
  }
}

/** Removes a file. Throws RunError WRITE_FAILED. */
export function removeFile(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (cause) {
    throw writeError(path, cause);
  }
}

/** A folder of tensors, each in a file that the sha256 of its bytes names. */
export class BlobFolder {
  readonly dir: string;
  /** Blobs that were seen whole: a damaged one of the same name is not taken for what it should be. */
  readonly #whole = new Set<string>();
  #zeros: Uint8Array | undefined;

  constructor(dir: string) {
    this.dir = dir;
  }

  path(sha256: string): string {
    return join(this.dir, sha256);
  }

  #isZero(piece: Uint8Array): boolean {
    this.#zeros ??= new Uint8Array(PIECE_BYTES);
    return Buffer.compare(piece, this.#zeros.subarray(0, piece.length)) === 0;
  }

  /**
   * Writes a tensor, unless it is there already; `isNew` tells. Pieces of zeros (half of a fresh adapter) stay holes in the
   * file. Durable after `sync`. Throws RunError WRITE_FAILED.
   */
  *put(tensor: Tensor): Steps<{ readonly entry: BlobEntry; readonly isNew: boolean }> {
    const bytes = bytesOf(tensor);
    const sha256 = yield* sha256Of(bytes);
    const entry = { sha256, kind: kindOf(tensor)!, length: tensor.length };
    if (this.#whole.has(sha256) || (yield* this.#isWhole(sha256, bytes.length))) return { entry, isNew: false };
    makeFolderSync(this.dir);
    yield* writeFileInSteps(this.path(sha256), (fd) => this.#write(fd, bytes));
    this.#whole.add(sha256);
    return { entry, isNew: true };
  }

  *#write(fd: number, bytes: Uint8Array): Steps<void> {
    for (const [at, piece] of pieces(bytes)) {
      if (!this.#isZero(piece)) writeAllSync(fd, piece, at);
      yield;
    }
    ftruncateSync(fd, bytes.length);
  }

  *#isWhole(sha256: string, bytes: number): Steps<boolean> {
    if (statSync(this.path(sha256), { throwIfNoEntry: false })?.size !== bytes) return false;
    return (yield* this.#read({ sha256, kind: 'u8', length: bytes }, () => {})) === undefined;
  }

  /** Reads a blob in pieces; returns what is wrong with it. */
  *#read(entry: BlobEntry, take: (at: number, piece: Uint8Array) => void): Steps<string | undefined> {
    const path = this.path(entry.sha256);
    const bytes = entry.length * TENSOR_TYPES[entry.kind].BYTES_PER_ELEMENT;
    const piece = new Uint8Array(Math.min(PIECE_BYTES, Math.max(bytes, 1)));
    const hash = createHash('sha256');
    let fd: number | undefined;
    try {
      fd = openSync(path, 'r');
      let at = 0;
      for (let read = -1; read !== 0; at += read) {
        read = readSync(fd, piece, 0, piece.length, at);
        if (at + read > bytes) return 'it is too long';
        hash.update(piece.subarray(0, read));
        take(at, piece.subarray(0, read));
        yield;
      }
      if (at < bytes) return `it ends after ${at} of ${bytes} bytes`;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'it is missing';
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      return (error as Error).message;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
    if (hash.digest('hex') !== entry.sha256) return 'its content is not what its name says';
    this.#whole.add(entry.sha256);
    return undefined;
  }

  /** The tensor of an entry, in memory of its own; or what is wrong with its file. */
  *get(entry: BlobEntry): Steps<Tensor | string> {
    const tensor = new TENSOR_TYPES[entry.kind](entry.length);
    const bytes = bytesOf(tensor);
    const problem = yield* this.#read(entry, (at, piece) => {
      // Memory that is zero already is not touched, and so not taken.
      if (!this.#isZero(piece)) bytes.set(piece, at);
    });
    return problem ?? tensor;
  }

  /** Makes the names of new blobs durable. */
  sync(): void {
    syncFolderSync(this.dir);
    syncFolderSync(dirname(this.dir));
  }

  /** Takes back blobs of a state that could not be saved. */
  discard(sha256s: readonly string[]): void {
    for (const sha256 of sha256s) {
      this.#whole.delete(sha256);
      removeQuietly(this.path(sha256));
    }
  }

  /** Removes all other blobs (none for 'all'), and what a killed process left half-written. */
  keepOnly(kept: ReadonlySet<string> | 'all'): void {
    for (const name of namesIn(this.dir)) {
      const isTemporary = name.endsWith('.tmp') && BLOB_NAME.test(name.slice(0, -'.tmp'.length));
      if (!isTemporary && (!BLOB_NAME.test(name) || kept === 'all' || kept.has(name))) continue;
      this.#whole.delete(name);
      removeFile(join(this.dir, name));
    }
  }

  /** Removes all blobs, and the folder where nothing else is in it. */
  remove(): void {
    this.keepOnly(new Set());
    removeEmptyFolder(this.dir);
  }
}

/** Removes a folder where it is empty. */
export function removeEmptyFolder(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {}
}
