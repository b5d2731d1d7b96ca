import { createHash, type Hash } from 'node:crypto';
import { appendFileSync, closeSync, fsyncSync, openSync } from 'node:fs';
import { readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpConfig } from '../config/dump.js';
import type { RunConfig } from '../config/schema.js';
import type { RunEvent } from '../contracts/events.js';
import { RunError } from '../errors.js';
import { makeFolder, syncFolder, writeAtomic, writeError } from '../files.js';
import type { LoopState } from '../server/types.js';
import { lockRun, type RunLock } from './lock.js';
import { decodeState, encodeState } from './state.js';

/** States kept: the newest, and the one before it to go back to. */
const KEPT_STATES = 2;
const STATE_NAME = /^round-(\d{6})\.state$/;

/** All that a run puts into its folder, but for `state/`, which marks a folder as a run's. */
const CONTENT = [
  'config.yaml',
  'events.jsonl',
  'partition.json',
  'metrics.json',
  'owners',
  'perfit.svg',
  'report.html',
  'adapters',
] as const;

/** How far events.jsonl had come, and what it was. */
export interface EventsMark {
  readonly bytes: number;
  readonly sha256: string;
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

export const runFile = (dir: string, name: Exclude<(typeof CONTENT)[number], 'adapters' | 'owners'>): string =>
  join(dir, name);

/** Throws RunError EXISTS where files would be overwritten that no run has written. */
async function refuseForeign(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => [] as string[]);
  const foreign = CONTENT.filter((name) => names.includes(name));
  if (foreign.length === 0 || names.includes('state')) return;
  throw new RunError(
    'EXISTS',
    `Expected a new folder or that of a run but ${dir} holds ${foreign.join(', ')} and no run's state. Choose another --output-dir.`,
  );
}

/** A run's folder, locked for this process until `close`. */
export class RunFolder {
  readonly dir: string;
  readonly #lock: RunLock;
  #events: number | undefined;
  #eventsHash: Hash = createHash('sha256');

  private constructor(dir: string, lock: RunLock) {
    this.dir = dir;
    this.#lock = lock;
  }

  /**
   * A new run's folder. Throws RunError EXISTS where a run is there already (unless `overwrite`) or files that are not a
   * run's, LOCKED, WRITE_FAILED.
   */
  static async create(dir: string, config: RunConfig, overwrite = false): Promise<RunFolder> {
    await refuseForeign(dir);
    await makeFolder(join(dir, 'state'));
    const folder = new RunFolder(dir, await lockRun(dir));
    try {
      const before = await readdir(dir);
      const begun = before.includes('metrics.json') || (await folder.#stateNames()).length > 0;
      if (begun && !overwrite) {
        throw new RunError(
          'EXISTS',
          `${dir} holds a run already. Go on with it by --resume ${dir}, or choose another --output-dir.`,
        );
      }
      for (const name of await folder.#stateNames()) await rm(join(dir, 'state', name), { force: true });
      for (const name of CONTENT) await rm(join(dir, name), { recursive: true, force: true });
      await writeAtomic(runFile(dir, 'config.yaml'), dumpConfig(config));
    } catch (error) {
      await folder.close();
      throw error;
    }
    return folder;
  }

  /** The folder of a run that was begun. Throws RunError NOT_A_RUN, LOCKED. */
  static async open(dir: string): Promise<RunFolder> {
    await stat(runFile(dir, 'config.yaml')).catch((cause: unknown) => {
      throw new RunError('NOT_A_RUN', `Expected a run folder with config.yaml at ${dir} but there is none.`, { cause });
    });
    const folder = new RunFolder(dir, await lockRun(dir));
    // A run that was killed just after it saved its last state has left one too many.
    await folder.#dropOldStates();
    return folder;
  }

  /** Appends one event; `syncEvents` makes it durable. */
  emit(event: RunEvent): void {
    this.#requireLock();
    const path = runFile(this.dir, 'events.jsonl');
    const line = `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`;
    try {
      this.#events ??= openSync(path, 'a');
      appendFileSync(this.#events, line);
      this.#eventsHash.update(line);
    } catch (cause) {
      throw writeError(path, cause);
    }
  }

  /** Makes the events so far durable. */
  async syncEvents(): Promise<EventsMark> {
    if (this.#events !== undefined) fsyncSync(this.#events);
    const bytes = (await stat(runFile(this.dir, 'events.jsonl')).catch(() => undefined))?.size ?? 0;
    return { bytes, sha256: this.#eventsHash.copy().digest('hex') };
  }

  /** Throws RunError STATE_DAMAGED where the events before a saved state are not the ones that were written. */
  async checkEvents(mark: EventsMark): Promise<void> {
    const path = runFile(this.dir, 'events.jsonl');
    const content = await readFile(path).catch(() => Buffer.alloc(0));
    const kept = content.subarray(0, mark.bytes);
    this.#eventsHash = createHash('sha256').update(kept);
    if (kept.length === mark.bytes && this.#eventsHash.copy().digest('hex') === mark.sha256) return;
    throw new RunError(
      'STATE_DAMAGED',
      `${path} is missing or was altered: its first ${mark.bytes} bytes are not those that the saved state knows of. ` +
        'Put it back, or start the run anew.',
    );
  }

  /** Cuts off events behind a saved state: their rounds are done again. */
  async cutEvents(bytes: number): Promise<void> {
    await truncate(runFile(this.dir, 'events.jsonl'), bytes);
  }

  /** Forgets the events of a run that was cut before its first state. Throws RunError STATE_DAMAGED where there was one. */
  async dropEvents(): Promise<void> {
    const path = runFile(this.dir, 'events.jsonl');
    const content = await readFile(path, 'utf8').catch(() => '');
    // The state before the first round is saved before any round is.
    if (content.includes('"type":"round"')) {
      throw new RunError(
        'STATE_DAMAGED',
        `${join(this.dir, 'state')} holds no saved state but ${path} tells of finished rounds. Put the states back, or start the run anew.`,
      );
    }
    await rm(path, { force: true });
  }

  /** Saves the state after a round, atomically, and forgets the ones before the last. */
  async saveState(saved: SavedRun): Promise<void> {
    this.#requireLock();
    const folder = join(this.dir, 'state');
    const name = `round-${String(saved.loop.round).padStart(6, '0')}.state`;
    await writeAtomic(join(folder, name), encodeState(saved));
    await this.#dropOldStates();
    await syncFolder(folder);
  }

  /** Removes all but the newest states. */
  async #dropOldStates(): Promise<void> {
    const names = await this.#stateNames();
    for (const old of names.slice(0, Math.max(0, names.length - KEPT_STATES))) {
      await rm(join(this.dir, 'state', old), { force: true });
    }
  }

  async #stateNames(): Promise<string[]> {
    const names = await readdir(join(this.dir, 'state')).catch(() => [] as string[]);
    return names.filter((name) => STATE_NAME.test(name)).sort();
  }

  /**
   * The newest saved state, of a round of at most `upTo`; undefined where the run was cut before its first.
   * Throws RunError STATE_DAMAGED.
   */
  async loadState(upTo = Number.POSITIVE_INFINITY): Promise<SavedRun | undefined> {
    const names = (await this.#stateNames()).filter((name) => Number(STATE_NAME.exec(name)?.[1]) <= upTo);
    const newest = names.at(-1);
    if (newest === undefined) return undefined;
    const path = join(this.dir, 'state', newest);
    return decodeState(await readFile(path), path) as SavedRun;
  }

  /** Throws away states after a round, which a longer run does again. */
  async dropStatesAfter(round: number): Promise<void> {
    for (const name of await this.#stateNames()) {
      if (Number(STATE_NAME.exec(name)?.[1]) > round) await rm(join(this.dir, 'state', name), { force: true });
    }
  }

  /** Throws RunError STATE_DAMAGED where a file is not the one that was written. */
  async checkFile(name: Parameters<typeof runFile>[1], sha256: string): Promise<void> {
    const path = runFile(this.dir, name);
    const content = await readFile(path).catch(() => undefined);
    if (content && createHash('sha256').update(content).digest('hex') === sha256) return;
    throw new RunError(
      'STATE_DAMAGED',
      `${path} is missing or was altered since the run wrote it. Put it back, or start the run anew.`,
    );
  }

  async write(name: Parameters<typeof runFile>[1], content: string): Promise<void> {
    this.#requireLock();
    await writeAtomic(runFile(this.dir, name), content);
  }

  #requireLock(): void {
    if (!this.#lock.isLost()) return;
    throw new RunError(
      'LOCKED',
      `Another run took ${this.dir} over while this one did not move for minutes. Let that one finish.`,
    );
  }

  async close(): Promise<void> {
    if (this.#events !== undefined) closeSync(this.#events);
    this.#events = undefined;
    await this.#lock.release();
  }
}
