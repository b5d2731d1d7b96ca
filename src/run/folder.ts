import { existsSync } from 'node:fs';
import { readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dumpConfig } from '../config/dump.js';
import type { RunConfig } from '../config/schema.js';
import type { RunEvent } from '../contracts/events.js';
import { RunError } from '../errors.js';
import { makeFolder, writeAtomic, writeError } from '../files.js';
import type { LoopState } from '../server/types.js';
import { sha256 } from '../sha256.js';
import { StateStore } from '../store/index.js';
import { shellWord } from '../text.js';
import {
  CONTENT,
  type FileName,
  MARKER,
  markedVersion,
  markerFrom,
  namesIn,
  OLD_CONTENT,
  refuseForeign,
  requireRun,
  runFile,
  stateFolder,
} from './content.js';
import { EventLog, type EventsMark } from './eventLog.js';
import { lockRun, type RunLock } from './lock.js';

/** States kept: the newest, and the one before it to go back to. */
const KEPT_STATES = 2;

/** The owners' homes, and those of the run before while a new one is not sure of itself. */
const OWNERS = 'owners';
const OWNERS_BEFORE = 'owners.before';

async function removeAll(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch((cause: unknown) => {
    throw writeError(path, cause);
  });
}

async function moveIfThere(from: string, to: string): Promise<void> {
  if (!existsSync(from)) return;
  await rename(from, to).catch((cause: unknown) => {
    throw writeError(to, cause);
  });
}

/** What a state file holds besides the loop's own state. */
export interface SavedRun {
  readonly config: RunConfig;
  readonly partitionSha256: string;
  readonly modelSha256: string;
  readonly dataSha256: string;
  /** Kernel set that the rounds so far were computed with. */
  readonly kernels: string;
  /** events.jsonl when the state was saved. */
  readonly events: EventsMark;
  /** Seconds that the run has taken so far, and those that workers trained. */
  readonly seconds: number;
  readonly trainSeconds: number;
  readonly loop: LoopState;
}

/** A run's folder, locked for this process until `close`. */
export class RunFolder {
  readonly dir: string;
  readonly #lock: RunLock;
  readonly #states: StateStore;
  readonly #events: EventLog;
  /** Made by `claim`: the folder and those above it, from this one on, and the marker. */
  readonly #made: string | undefined;
  #isMarked = false;

  private constructor(dir: string, lock: RunLock, made?: string) {
    this.dir = dir;
    this.#lock = lock;
    this.#made = made;
    this.#states = StateStore.open(stateFolder(dir), { keep: KEPT_STATES, check: () => this.requireOwnership() });
    this.#events = new EventLog(runFile(dir, 'events.jsonl'));
  }

  /**
   * Takes a folder for a new run: the owners of it may move into `owners/`, all else is as it was until `begin`. Throws
   * RunError EXISTS where a run is there already (unless `overwrite`) or files that are not a run's, LOCKED, WRITE_FAILED;
   * what was there is as it was then.
   */
  static async claim(dir: string, overwrite = false): Promise<RunFolder> {
    await refuseForeign(dir);
    const made = await makeFolder(dir);
    const folder = new RunFolder(dir, await lockRun(dir), made);
    try {
      await refuseForeign(dir);
      const names = await namesIn(dir);
      if (!overwrite && (names.includes('metrics.json') || folder.#states.turns().length > 0)) {
        throw new RunError(
          'EXISTS',
          `${dir} holds a run already. Go on with it by --resume ${shellWord(dir)}, or choose another --output-dir.`,
        );
      }
      if ((await markedVersion(dir)) === undefined) {
        // Said before the owners come, so that a start that is killed here is known for what it was.
        folder.#isMarked = true;
        await folder.#mark();
      }
      await folder.#restoreOwners();
      await moveIfThere(join(dir, OWNERS), join(dir, OWNERS_BEFORE));
    } catch (error) {
      await folder.abandon();
      throw error;
    }
    return folder;
  }

  /**
   * Begins the run that the folder was claimed for: what a run before left goes, but for the new owners. Cut short, it is a
   * run's folder at every moment, or holds nothing. config.yaml comes last: where it is, partition.json and owners are.
   */
  async begin(config: RunConfig, partition: string): Promise<void> {
    this.requireOwnership();
    await this.#mark();
    this.#states.remove();
    for (const name of [...CONTENT, ...OLD_CONTENT, OWNERS_BEFORE]) {
      if (name !== OWNERS) await removeAll(join(this.dir, name));
    }
    await writeAtomic(runFile(this.dir, 'partition.json'), partition);
    await writeAtomic(runFile(this.dir, 'config.yaml'), dumpConfig(config));
  }

  /** Leaves a folder that was claimed as it was before, and lets go of it. Never throws. */
  async abandon(): Promise<void> {
    await this.#restoreOwners().catch(() => {});
    if (this.#isMarked) await rm(join(this.dir, MARKER), { force: true }).catch(() => {});
    await this.close();
    if (this.#made === undefined) return;
    // Only while they are empty; others may have come to use them since.
    for (let path = this.dir; path.length >= this.#made.length; path = dirname(path)) {
      await rmdir(path).catch(() => {});
    }
  }

  #mark(): Promise<void> {
    return writeAtomic(join(this.dir, MARKER), markerFrom(process.cwd()));
  }

  /** Brings back the owners of the run before, where the new ones have no run. */
  async #restoreOwners(): Promise<void> {
    const [before, owners] = [join(this.dir, OWNERS_BEFORE), join(this.dir, OWNERS)];
    const isBefore = existsSync(before);
    if (isBefore || !existsSync(runFile(this.dir, 'config.yaml'))) await removeAll(owners);
    if (isBefore) await moveIfThere(before, owners);
  }

  /** The folder of a run that was begun. Throws RunError NOT_A_RUN, STATE_VERSION, LOCKED. */
  static async open(dir: string): Promise<RunFolder> {
    await requireRun(dir);
    const folder = new RunFolder(dir, await lockRun(dir));
    try {
      await folder.#restoreOwners();
      // A run that was killed just after it saved its last state has left one too many, or half of the next.
      folder.#states.keepOnly(folder.#states.turns().slice(-KEPT_STATES));
    } catch (error) {
      await folder.close();
      throw error;
    }
    return folder;
  }

  /** Throws RunError LOCKED where the folder is another run's by now. To be called before anything is replaced or removed. */
  requireOwnership(): void {
    if (this.#lock.isHeld()) return;
    throw new RunError(
      'LOCKED',
      `Another run took ${this.dir} over while this one did not move for minutes, or its .lock was removed. ` +
        'Nothing of this run is written any more; let the other one finish.',
    );
  }

  /** Appends one event; `syncEvents` makes it durable. */
  emit(event: RunEvent): void {
    this.requireOwnership();
    this.#events.append(event);
  }

  /** Makes the events so far durable. */
  async syncEvents(): Promise<EventsMark> {
    return this.#events.sync();
  }

  /** Throws RunError STATE_DAMAGED where the events before a saved state are not the ones that were written. */
  checkEvents(mark: EventsMark): Promise<void> {
    return this.#events.check(mark);
  }

  /** Cuts off events behind the ones that `checkEvents` went through: their rounds are done again. */
  async cutEvents(): Promise<void> {
    this.requireOwnership();
    await this.#events.cut();
  }

  /** Forgets the events of a run that was cut before its first state. Throws RunError STATE_DAMAGED where there was one. */
  async dropEvents(): Promise<void> {
    // The state before the first round is saved before any round is.
    if (await this.#events.tellsOfRounds()) {
      throw new RunError(
        'STATE_DAMAGED',
        `${this.#states.dir} holds no saved state but ${runFile(this.dir, 'events.jsonl')} tells of finished rounds. ` +
          'Put the states back, or start the run anew.',
      );
    }
    this.requireOwnership();
    await this.#events.remove();
  }

  /** Saves the state after a round, atomically, and forgets the ones before the last. */
  async saveState(saved: SavedRun): Promise<void> {
    this.requireOwnership();
    await this.#states.saveInTurns(saved.loop.round, saved);
  }

  /**
   * The newest saved state, of a round of at most `upTo`; undefined where the run was cut before its first.
   * Throws RunError STATE_DAMAGED.
   */
  async loadState(upTo = Number.POSITIVE_INFINITY): Promise<SavedRun | undefined> {
    const newest = this.#states.turns().findLast((round) => round <= upTo);
    return newest === undefined ? undefined : ((await this.#states.loadInTurns(newest)) as SavedRun);
  }

  /** Throws away states after a round, which a longer run does again. */
  async dropStatesAfter(round: number): Promise<void> {
    this.#states.keepOnly(this.#states.turns().filter((turn) => turn <= round));
  }

  /** Throws RunError STATE_DAMAGED where a file is not the one that was written. */
  async checkFile(name: FileName, hash: string): Promise<void> {
    const path = runFile(this.dir, name);
    const content = await readFile(path).catch(() => undefined);
    if (content && sha256(content) === hash) return;
    throw new RunError(
      'STATE_DAMAGED',
      `${path} is missing or was altered since the run wrote it. Put it back, or start the run anew.`,
    );
  }

  async write(name: FileName, content: string): Promise<void> {
    this.requireOwnership();
    await writeAtomic(runFile(this.dir, name), content);
  }

  async close(): Promise<void> {
    this.#events.close();
    await this.#lock.release();
  }
}
