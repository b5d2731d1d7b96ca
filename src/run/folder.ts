import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, fsyncSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpConfig } from '../config/dump.js';
import { parseRunFile } from '../config/load.js';
import { parseConfig } from '../config/parse.js';
import type { RunConfig } from '../config/schema.js';
import { RunError } from '../errors.js';
import type { LoopState, RunEvent } from '../server/types.js';
import { syncFolder, writeAtomic, writeError } from './atomic.js';
import { lockRun } from './lock.js';
import { decodeState, encodeState } from './state.js';

/** States kept: the newest, and the one before it to go back to. */
const KEPT_STATES = 2;
const STATE_NAME = /^round-(\d{6})\.state$/;

/** What a state file holds besides the loop's own state. */
export interface SavedRun {
  readonly config: RunConfig;
  readonly partitionSha256: string;
  readonly modelSha256: string;
  readonly dataSha256: string;
  /** Kernel set that the rounds so far were computed with. */
  readonly kernels: string;
  /** Length of events.jsonl in bytes when the state was saved. */
  readonly eventBytes: number;
  /** Seconds that the run has taken so far. */
  readonly seconds: number;
  readonly loop: LoopState;
}

export const runFile = (
  dir: string,
  name: 'config.yaml' | 'events.jsonl' | 'partition.json' | 'metrics.json' | 'scores.jsonl' | 'perfit.svg',
): string => join(dir, name);

/** The configuration that a run was started with. Throws RunError NOT_A_RUN. */
export async function readRunConfig(dir: string): Promise<RunConfig> {
  const path = runFile(dir, 'config.yaml');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new RunError('NOT_A_RUN', `Expected a run folder with config.yaml at ${dir} but there is none.`, { cause });
  });
  return parseConfig(parseRunFile(text, path), path);
}

/** A run's folder, locked for this process until `close`. */
export class RunFolder {
  readonly dir: string;
  readonly #release: () => Promise<void>;
  #events: number | undefined;

  private constructor(dir: string, release: () => Promise<void>) {
    this.dir = dir;
    this.#release = release;
  }

  /**
   * A new run's folder. Throws RunError EXISTS where a run is there already (unless `overwrite`), LOCKED, WRITE_FAILED.
   */
  static async create(dir: string, config: RunConfig, overwrite = false): Promise<RunFolder> {
    await mkdir(join(dir, 'state'), { recursive: true }).catch((cause: unknown) => {
      throw writeError(dir, cause);
    });
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
      for (const name of [
        'config.yaml',
        'events.jsonl',
        'partition.json',
        'metrics.json',
        'scores.jsonl',
        'perfit.svg',
        'state',
        'adapters',
      ]) {
        await rm(join(dir, name), { recursive: true, force: true });
      }
      await mkdir(join(dir, 'state'), { recursive: true });
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
    return new RunFolder(dir, await lockRun(dir));
  }

  /** Appends one event; `syncEvents` makes it durable. */
  emit(event: RunEvent): void {
    const path = runFile(this.dir, 'events.jsonl');
    try {
      this.#events ??= openSync(path, 'a');
      appendFileSync(this.#events, `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    } catch (cause) {
      throw writeError(path, cause);
    }
  }

  /** Makes the events so far durable; returns the length of the file in bytes. */
  async syncEvents(): Promise<number> {
    if (this.#events !== undefined) fsyncSync(this.#events);
    return (await stat(runFile(this.dir, 'events.jsonl')).catch(() => undefined))?.size ?? 0;
  }

  /** Cuts off events behind a saved state: their rounds are done again. */
  async cutEvents(bytes: number): Promise<void> {
    const path = runFile(this.dir, 'events.jsonl');
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    if (size < bytes) {
      throw new RunError(
        'STATE_DAMAGED',
        `${path} was altered: it has ${size} bytes where the saved state knows of ${bytes}. Start the run anew.`,
      );
    }
    if (size > bytes) await truncate(path, bytes);
  }

  /** Saves the state after a round, atomically, and forgets the ones before the last. */
  async saveState(saved: SavedRun): Promise<void> {
    const folder = join(this.dir, 'state');
    const name = `round-${String(saved.loop.round).padStart(6, '0')}.state`;
    await writeAtomic(join(folder, name), encodeState(saved));
    const older = (await this.#stateNames()).filter((other) => other < name);
    for (const old of older.slice(0, Math.max(0, older.length - KEPT_STATES + 1))) {
      await rm(join(folder, old), { force: true });
    }
    await syncFolder(folder);
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
    await writeAtomic(runFile(this.dir, name), content);
  }

  async close(): Promise<void> {
    if (this.#events !== undefined) closeSync(this.#events);
    this.#events = undefined;
    await this.#release();
  }
}
