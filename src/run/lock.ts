import { randomUUID } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import lockfile from 'proper-lockfile';
import { RunError } from '../errors.js';
import { removeQuietly, writeError } from '../files.js';
import { identify, type ProcessIdentity, stateOf } from './process.js';

/** The owner touches its lock this often; on another machine it counts as dead when it has not for `STALE_MS`. */
const BEAT_MS = 5000;
const STALE_MS = 60_000;

/** The guard is held for milliseconds; one that is this old belongs to a process that was killed meanwhile. */
const GUARD_STALE_MS = 10_000;
/** Looked at this often, so that a guard that went stale is waited for; and so is an owner that was killed but lingers. */
const LOOKS = 400;
const PAUSE_MS = 50;

/** What stands in the lock. */
interface Owner extends ProcessIdentity {
  /** Of one taking: the same process may take a folder twice. */
  readonly token: string;
}

/** A run folder taken for this process. */
export interface RunLock {
  /** Whether this process still has it: asks the file itself. */
  isHeld(): boolean;
  /** Lets go of it; never throws, as a lock that stays is taken over once its process is gone. */
  release(): Promise<void>;
}

/** Who holds the lock; undefined where nobody does, or its process ended before it could say so. */
function readOwner(path: string): Owner | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A folder is what an earlier fedtune made.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    throw error;
  }
  try {
    const owner = JSON.parse(text) as Owner | null;
    return typeof owner?.token === 'string' && typeof owner.pid === 'number' ? owner : undefined;
  } catch {
    return undefined;
  }
}

function isStale(path: string): boolean {
  const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Date.now() - touched > STALE_MS;
}

/** Takes the guard, as soon as no other process has it. */
async function takeGuard(dir: string): Promise<() => Promise<void>> {
  const options = { stale: GUARD_STALE_MS, realpath: false, onCompromised: () => {} };
  for (let look = 1; ; look++) {
    try {
      return await lockfile.lock(dir, { ...options, lockfilePath: join(dir, '.lock.guard') });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED' || look === LOOKS) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/**
 * Does `work` while no other process looks at or changes who owns the folder. Without it, two starts that find the same dead
 * owner would both take over, the second from the first.
 */
async function guarded<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const letGo = await takeGuard(dir);
  try {
    return await work();
  } finally {
    await letGo().catch(() => {});
  }
}

/** Whether the process that took a lock is `alive`, `dying` (killed, but not gone yet) or `gone`. */
function stateOfOwner(path: string, owner: Owner): 'alive' | 'dying' | 'gone' {
  const state = stateOf(owner);
  if (state !== 'elsewhere') return state;
  return isStale(path) ? 'gone' : 'alive';
}

/** Whether a run is at work in this folder, as far as can be told from here. */
export function isTaken(dir: string): boolean {
  const path = join(dir, '.lock');
  const owner = readOwner(path);
  return owner !== undefined && stateOfOwner(path, owner) === 'alive';
}

/** Puts `mine` into the lock; or returns the owner that has it, and whether that was killed and is about to go. */
async function take(
  path: string,
  mine: Owner,
): Promise<{ readonly owner: Owner; readonly dying: boolean } | undefined> {
  const owner = readOwner(path);
  if (owner) {
    const state = stateOfOwner(path, owner);
    if (state !== 'gone') return { owner, dying: state === 'dying' };
  }
  await rm(path, { recursive: true, force: true });
  try {
    writeFileSync(path, JSON.stringify(mine));
  } catch (error) {
    removeQuietly(path);
    throw error;
  }
  return undefined;
}

// In a thread of its own: this one may compute for minutes. Plain JavaScript, as it runs from a string.
const HEART = `
const { readFileSync, utimesSync } = require('node:fs');
const { path, token, beat } = require('node:worker_threads').workerData;
setInterval(() => {
  try {
    if (JSON.parse(readFileSync(path, 'utf8')).token === token) utimesSync(path, new Date(), new Date());
  } catch {}
}, beat);
`;

function startHeart(path: string, token: string, beat: number): () => Promise<unknown> {
  const heart = new Worker(HEART, { eval: true, execArgv: [], workerData: { path, token, beat } });
  heart.unref();
  // On this machine the process itself is looked at, so that a lock without a heart still holds.
  heart.on('error', () => {});
  return () => heart.terminate();
}

/**
 * Takes the run folder for this process: `.lock` says whose it is. One whose process is gone (kill -9, a zombie, an id that
 * another process has now) is taken over at once, and one of another machine when it was not touched for a minute.
 * Throws RunError LOCKED where another run has it, WRITE_FAILED.
 */
export async function lockRun(dir: string, beat: number = BEAT_MS): Promise<RunLock> {
  const path = join(dir, '.lock');
  const mine: Owner = { ...identify(), token: randomUUID() };
  for (let look = 1; ; look++) {
    const other = await guarded(dir, () => take(path, mine)).catch((cause: unknown) => {
      throw writeError(path, cause);
    });
    if (!other) break;
    if (!other.dying || look === LOOKS) {
      const who = `process ${other.owner.pid} on ${other.owner.host}`;
      throw new RunError('LOCKED', `Another run is using ${dir} (${who}). Wait for it, or choose another output_dir.`);
    }
    await sleep(PAUSE_MS);
  }
  const stopHeart = startHeart(path, mine.token, beat);
  const isHeld = (): boolean => {
    try {
      return readOwner(path)?.token === mine.token;
    } catch {
      return false;
    }
  };
  const release = async () => {
    if (isHeld()) await rm(path, { force: true });
  };
  return {
    isHeld,
    release: async () => {
      await stopHeart();
      await guarded(dir, release).catch(() => {});
    },
  };
}
