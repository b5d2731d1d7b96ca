import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** The calls that change a folder or make a change durable; the store uses no others. */
const CALLS = [
  'mkdirSync',
  'openSync',
  'writeSync',
  'ftruncateSync',
  'fsyncSync',
  'renameSync',
  'rmSync',
  'rmdirSync',
] as const;

export class Stopped extends Error {}

/**
 * Does `work` with the file system as it is when power goes at the `stopAt`-th call that changes something: half of a write
 * is done, whatever comes later is not, and content that was not synced by then is cut to a half. Returns the number of calls
 * that `work` made; where it made fewer than `stopAt`, it ended.
 */
export function withPowerCut(stopAt: number, work: () => void): number {
  const originals = Object.fromEntries(CALLS.map((name) => [name, fs[name]])) as unknown as Pick<
    typeof fs,
    (typeof CALLS)[number]
  >;
  let calls = 0;
  const paths = new Map<number, string>();
  const unsynced = new Set<string>();
  const step = (half: () => void = () => {}): void => {
    calls++;
    if (calls < stopAt) return;
    if (calls === stopAt) half();
    throw new Stopped(`power is gone at call ${stopAt}`);
  };
  const patched = fs as unknown as Record<string, unknown>;
  for (const name of CALLS) {
    patched[name] = (...args: unknown[]) => {
      const original = originals[name] as (...all: unknown[]) => unknown;
      if (name === 'openSync') {
        // Reading changes nothing.
        if (args[1] === 'r') return original(...args);
        step();
        const fd = original(...args) as number;
        paths.set(fd, String(args[0]));
        unsynced.add(String(args[0]));
        return fd;
      }
      if (name === 'writeSync') {
        const [fd, bytes, offset, length, position] = args as [number, Uint8Array, number, number, number];
        step(() => originals.writeSync(fd, bytes, offset, Math.floor(length / 2), position));
      } else step();
      if (name === 'fsyncSync') unsynced.delete(paths.get(args[0] as number) ?? '');
      if (name === 'renameSync' && unsynced.delete(String(args[0]))) unsynced.add(String(args[1]));
      return original(...args);
    };
  }
  syncBuiltinESMExports();
  try {
    work();
  } catch (error) {
    const isOurs = (e: unknown): boolean => e instanceof Stopped || (e instanceof Error && isOurs(e.cause));
    if (!isOurs(error)) throw error;
  } finally {
    Object.assign(fs, originals);
    syncBuiltinESMExports();
  }
  for (const path of calls >= stopAt ? unsynced : []) {
    if (fs.existsSync(path)) fs.truncateSync(path, Math.floor(fs.statSync(path).size / 2));
  }
  return calls;
}

/** Does `work` while the `nth` write of a file fails as on a full disk. */
export function withFullDisk<T>(nth: number, work: () => T): T {
  const { writeSync } = fs;
  let writes = 0;
  const patched = fs as unknown as Record<string, unknown>;
  patched.writeSync = (...args: unknown[]) => {
    if (++writes === nth) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
    return (writeSync as (...all: unknown[]) => number)(...args);
  };
  syncBuiltinESMExports();
  try {
    return work();
  } finally {
    Object.assign(fs, { writeSync });
    syncBuiltinESMExports();
  }
}
