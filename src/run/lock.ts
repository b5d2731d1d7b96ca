import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import lockfile from 'proper-lockfile';
import { RunError } from '../errors.js';
import { writeError } from './atomic.js';

/** Long, because a busy main thread may not get to renew the lock; a dead owner on this machine is found by its id. */
const STALE_MS = 120_000;

interface Owner {
  readonly pid: number;
  readonly host: string;
}

/** Who holds the lock; undefined where its process ended before it could say so. */
async function readOwner(path: string): Promise<Owner | undefined> {
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      return JSON.parse(await readFile(path, 'utf8')) as Owner;
    } catch {
      await sleep(100);
    }
  }
  return undefined;
}

function isGone(owner: Owner | undefined): boolean {
  if (!owner) return true;
  if (owner.host !== hostname()) return false;
  if (owner.pid === process.pid) return false;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/**
 * Takes the run folder for this process; the result lets go of it. A lock whose process is gone (kill -9) is taken over.
 * Throws RunError LOCKED where another run has it.
 */
export async function lockRun(dir: string): Promise<() => Promise<void>> {
  const lockfilePath = join(dir, '.lock');
  const ownerPath = join(dir, '.owner');
  const options = { lockfilePath, stale: STALE_MS, update: 10_000, onCompromised: () => {} };
  const take = async () => {
    const release = await lockfile.lock(dir, options);
    await writeFile(ownerPath, JSON.stringify({ pid: process.pid, host: hostname() }));
    return async () => {
      await rm(ownerPath, { force: true });
      await release();
    };
  };
  try {
    return await take();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ELOCKED') throw writeError(lockfilePath, cause);
    const owner = await readOwner(ownerPath);
    if (isGone(owner)) {
      await rm(lockfilePath, { recursive: true, force: true });
      return take();
    }
    const who = owner ? ` (process ${owner.pid} on ${owner.host})` : '';
    throw new RunError('LOCKED', `Another run is using ${dir}${who}. Wait for it, or choose another output_dir.`, {
      cause,
    });
  }
}
