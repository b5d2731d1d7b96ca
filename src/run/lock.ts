import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import lockfile from 'proper-lockfile';
import { RunError } from '../errors.js';
import { writeError } from '../files.js';

/** Long, because a busy main thread may not get to renew the lock; a dead owner on this machine is found by its id. */
const STALE_MS = 120_000;

/** The guard is held for milliseconds; one that is this old belongs to a process that was killed meanwhile. */
const GUARD_STALE_MS = 10_000;
/** Looked at this often, so that a guard that went stale is waited for. */
const GUARD_LOOKS = 400;
const GUARD_PAUSE_MS = 50;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process began, in milliseconds: a container gives the same id again. */
  readonly started: number;
}

const self = (): Owner => ({ pid: process.pid, host: hostname(), started: Math.round(performance.timeOrigin) });

/** A run folder taken for this process. */
export interface RunLock {
  /** Whether another process took it over, because this one did not move for minutes (a suspended machine). */
  isLost(): boolean;
  /** Lets go of it; never throws, as a lock that stays is taken over once its process is gone. */
  release(): Promise<void>;
}

/** Who holds the lock; undefined where its process ended before it could say so. */
async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

function isGone(owner: Owner | undefined): boolean {
  if (!owner) return true;
  if (owner.host !== hostname()) return false;
  if (owner.pid === process.pid) return owner.started !== self().started;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Takes the guard, as soon as no other process has it. */
async function takeGuard(dir: string, ownerPath: string): Promise<() => Promise<void>> {
  const lockfilePath = join(dir, '.lock.guard');
  for (let look = 1; ; look++) {
    try {
      return await lockfile.lock(ownerPath, {
        lockfilePath,
        stale: GUARD_STALE_MS,
        realpath: false,
        onCompromised: () => {},
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED' || look === GUARD_LOOKS) throw error;
      await sleep(GUARD_PAUSE_MS);
    }
  }
}

/**
 * Does `work` while no other process looks at or changes who owns the folder. Without it, two starts that find the same dead
 * owner would both take over, the second from the first.
 */
async function guarded<T>(dir: string, ownerPath: string, work: () => Promise<T>): Promise<T> {
  const letGo = await takeGuard(dir, ownerPath);
  try {
    return await work();
  } finally {
    await letGo().catch(() => {});
  }
}

/**
 * Takes the run folder for this process. A lock whose process is gone (kill -9) is taken over.
 * Throws RunError LOCKED where another run has it, WRITE_FAILED.
 */
export async function lockRun(dir: string): Promise<RunLock> {
  const lockfilePath = join(dir, '.lock');
  const ownerPath = join(dir, '.owner');
  let lost = false;
  const onCompromised = () => {
    lost = true;
  };
  const lock = () => lockfile.lock(dir, { lockfilePath, stale: STALE_MS, update: 10_000, onCompromised });
  const take = async () => {
    const letGo = await lock().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ELOCKED') throw error;
      const owner = await readOwner(ownerPath);
      if (isGone(owner)) {
        await rm(lockfilePath, { recursive: true, force: true });
        return lock();
      }
      const who = `process ${owner?.pid} on ${owner?.host}`;
      throw new RunError('LOCKED', `Another run is using ${dir} (${who}). Wait for it, or choose another output_dir.`, {
        cause: error,
      });
    });
    await writeFile(ownerPath, JSON.stringify(self())).catch(async (error: unknown) => {
      await letGo();
      throw error;
    });
    return letGo;
  };
  const letGo = await guarded(dir, ownerPath, take).catch((cause: unknown) => {
    throw cause instanceof RunError ? cause : writeError(lockfilePath, cause);
  });
  const release = async () => {
    if (lost) return;
    await rm(ownerPath, { force: true });
    await letGo();
  };
  return { isLost: () => lost, release: () => guarded(dir, ownerPath, release).catch(() => {}) };
}
