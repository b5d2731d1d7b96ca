import { join } from 'node:path';
import { RunError } from '../errors.js';
import { makeFolderSync, syncFolderSync, writeAllSync, writeFileInSteps } from '../files.js';
import { type BlobEntry, BlobFolder, namesIn, removeEmptyFolder, removeFile } from './blobs.js';
import { decodeDocument, encodeDocument, type LazyTensor, madeTensor, type Tensor } from './document.js';
import { formatManifest, type Manifest, readManifest, STATE_VERSION } from './manifest.js';
import { atOnce, inTurns, type Steps } from './steps.js';

const MANIFEST_NAME = /^(\d{6,16})\.json$/;
const MANIFEST_TEMPORARY = /^\d{6,16}\.json\.tmp$/;
/** Version 1: all of a state in one file. */
const OLD_STATE_NAME = /^round-\d{6}\.state$/;

const manifestName = (turn: number): string => `${String(turn).padStart(6, '0')}.json`;

const otherVersion = (path: string, version: number): RunError =>
  new RunError(
    'STATE_VERSION',
    `${path} is a state of version ${version} but this fedtune reads version ${STATE_VERSION}. ` +
      'Go on with the fedtune that saved it, or start the run anew (--overwrite replaces it).',
  );

export interface StateStoreOptions {
  /** Newest states that `save` keeps. @default all */
  readonly keep?: number;
  /** Called before anything is replaced or removed; it throws where this process may not (any more). */
  readonly check?: () => void;
}

/**
 * The states of a run, or of one of its owners, in a folder: `<turn>.json` is the manifest of the state after that turn (a
 * round), and `blobs/<sha256>` are its tensors. A tensor is written once however many states have it. The manifest comes last
 * and atomically: a state is there whole, or not at all, whenever the power goes. Nothing is made before the first `save`.
 *
 * Calls are synchronous, but for those that end in `InTurns`. One process at a time may write.
 */
export class StateStore {
  readonly dir: string;
  readonly #blobs: BlobFolder;
  readonly #keep: number;
  readonly #check: () => void;

  private constructor(dir: string, { keep = Number.POSITIVE_INFINITY, check = () => {} }: StateStoreOptions) {
    this.dir = dir;
    this.#blobs = new BlobFolder(join(dir, 'blobs'));
    this.#keep = keep;
    this.#check = check;
  }

  /** The store in a folder, which may be missing. */
  static open(dir: string, options: StateStoreOptions = {}): StateStore {
    return new StateStore(dir, options);
  }

  /** Path of the manifest of a state. */
  path(turn: number): string {
    return join(this.dir, manifestName(turn));
  }

  /** Turns with a saved state, ascending. Throws RunError STATE_VERSION where another version of fedtune saved them. */
  turns(): number[] {
    const names = namesIn(this.dir);
    const old = names.find((name) => OLD_STATE_NAME.test(name));
    if (old !== undefined) throw otherVersion(join(this.dir, old), 1);
    return names
      .flatMap((name) => MANIFEST_NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Whether a fedtune of version 1 of the form saved states here. */
  holdsVersion1(): boolean {
    return namesIn(this.dir).some((name) => OLD_STATE_NAME.test(name));
  }

  /**
   * Saves the state after a turn, and forgets all but the newest `keep`. `document` is a JSON value with numbers of every kind and
   * tensors anywhere in it, also as `LazyTensor`. Memory beyond them is a few megabytes.
   *
   * Throws RunError WRITE_FAILED, with the states before as they were; STATE_INVALID for what cannot be saved; STATE_VERSION.
   */
  save(turn: number, document: unknown): void {
    atOnce(this.#save(turn, document));
  }

  /** `save`, while others have their turn; tensors must not change before it is done. */
  saveInTurns(turn: number, document: unknown): Promise<void> {
    return inTurns(this.#save(turn, document));
  }

  *#save(turn: number, document: unknown): Steps<void> {
    if (!Number.isSafeInteger(turn) || turn < 0) {
      throw new RunError('STATE_INVALID', `Expected a turn of 0 or more but received ${turn}.`);
    }
    const before = this.turns();
    makeFolderSync(this.dir);
    const added: string[] = [];
    try {
      const manifest = yield* this.#putTensors(turn, document, added);
      if (added.length > 0) this.#blobs.sync();
      const text = Buffer.from(formatManifest(manifest));
      yield* writeFileInSteps(this.path(turn), (fd) => [writeAllSync(fd, text)], this.#check);
    } catch (error) {
      this.#blobs.discard(added);
      throw error;
    }
    syncFolderSync(this.dir);
    if (this.#keep === Number.POSITIVE_INFINITY) return;
    const now = [...new Set([...before, turn])].sort((a, b) => a - b);
    this.keepOnly([...now.slice(-this.#keep), turn]);
  }

  *#putTensors(turn: number, document: unknown, added: string[]): Steps<Manifest> {
    const found: (Tensor | LazyTensor)[] = [];
    // What was one tensor comes back as one; what only has the same content does not.
    const places = new Map<Tensor | LazyTensor, number>();
    const place = (tensor: Tensor | LazyTensor): number => {
      const known = places.get(tensor) ?? found.push(tensor) - 1;
      places.set(tensor, known);
      return known;
    };
    const json = encodeDocument(document, place);
    const tensors: BlobEntry[] = [];
    for (const tensor of found) {
      const { entry, isNew } = yield* this.#blobs.put(madeTensor(tensor));
      if (isNew) added.push(entry.sha256);
      tensors.push(entry);
    }
    return { version: STATE_VERSION, turn, document: json, tensors };
  }

  #damaged(turn: number, path: string, problem: string): RunError {
    const before = this.turns().some((other) => other < turn);
    return new RunError(
      'STATE_DAMAGED',
      `${path} is torn or was altered: ${problem}. ` +
        (before
          ? `Delete ${this.path(turn)}, and nothing else, to go on from the state before it, or start the run anew.`
          : 'There is no state before it; put the file back, or start the run anew.'),
    );
  }

  #manifest(turn: number): Manifest {
    const path = this.path(turn);
    const manifest = readManifest(path);
    if (typeof manifest === 'string') throw this.#damaged(turn, path, manifest);
    if (manifest.version !== STATE_VERSION) throw otherVersion(path, manifest.version);
    return manifest;
  }

  /**
   * The state after a turn, every tensor in memory of its own. Throws RunError STATE_DAMAGED, which names the file and what
   * to do; STATE_VERSION.
   */
  load(turn: number): unknown {
    return atOnce(this.#load(turn));
  }

  /** `load`, while others have their turn. */
  loadInTurns(turn: number): Promise<unknown> {
    return inTurns(this.#load(turn));
  }

  *#load(turn: number): Steps<unknown> {
    const { document, tensors } = this.#manifest(turn);
    const read: Tensor[] = [];
    for (const entry of tensors) {
      const tensor = yield* this.#blobs.get(entry);
      if (typeof tensor === 'string') throw this.#damaged(turn, this.#blobs.path(entry.sha256), tensor);
      read.push(tensor);
    }
    return decodeDocument(document, (place) => read[place]!);
  }

  /** Forgets all other states, their tensors, and what a killed process left half-written. Throws RunError WRITE_FAILED. */
  keepOnly(turns: readonly number[]): void {
    this.#check();
    const kept = this.turns().filter((turn) => turns.includes(turn));
    let removed = false;
    for (const name of namesIn(this.dir)) {
      const turn = MANIFEST_NAME.exec(name)?.[1];
      if (turn === undefined ? !MANIFEST_TEMPORARY.test(name) : kept.includes(Number(turn))) continue;
      removeFile(join(this.dir, name));
      removed = true;
    }
    // A manifest must not come back after a power cut, without its tensors.
    if (removed) syncFolderSync(this.dir);
    const manifests = kept.map((turn) => readManifest(this.path(turn)));
    const isReadable = manifests.every((manifest) => typeof manifest !== 'string');
    // A damaged manifest may be put back; until then nobody knows which tensors it names.
    this.#blobs.keepOnly(
      isReadable ? new Set(manifests.flatMap(({ tensors }) => tensors.map(({ sha256 }) => sha256))) : 'all',
    );
  }

  /** Removes every state, also those of version 1, and the folder where nothing else is in it. Throws RunError WRITE_FAILED. */
  remove(): void {
    this.#check();
    for (const name of namesIn(this.dir)) {
      if (MANIFEST_NAME.test(name) || MANIFEST_TEMPORARY.test(name) || OLD_STATE_NAME.test(name)) {
        removeFile(join(this.dir, name));
      }
    }
    this.#blobs.remove();
    removeEmptyFolder(this.dir);
  }
}
