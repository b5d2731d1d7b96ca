import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { identify, seenByPs, seenInProc, stateOf } from '../../../src/run/process.js';

const GONE = 2 ** 22 + 1;

describe('a process', () => {
  it('is known from others that have its id', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const identity = identify(child.pid);
    expect(stateOf(identity)).toBe('alive');
    expect(stateOf({ ...identity, started: '1' })).toBe('gone');
    expect(stateOf({ ...identity, machine: 'another' })).toBe('elsewhere');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(stateOf(identity)).toBe('gone');
    expect(stateOf({ ...identity, pid: GONE })).toBe('gone');
  });

  it.runIf(process.platform !== 'win32')('is gone as a zombie', async () => {
    // What sh becomes never asks how its child ended.
    const parent = spawn('sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = await once(parent.stdout, 'data');
    const identity = identify(Number(line));
    expect(identity.started).not.toBe('');
    const end = performance.now() + 10_000;
    while (stateOf(identity) !== 'gone' && performance.now() < end) await sleep(10);
    expect(stateOf(identity)).toBe('gone');
    expect(() => process.kill(identity.pid, 0)).not.toThrow();
    parent.kill('SIGKILL');
  });

  it.runIf(process.platform === 'linux')('is never alive again once it was killed, also while it goes', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const identity = identify(child.pid);
    child.kill('SIGKILL');
    const seen = new Set<string>();
    const end = performance.now() + 10_000;
    while (!seen.has('gone') && performance.now() < end) {
      seen.add(stateOf(identity));
      expect(seen).not.toContain('alive');
    }
    expect(seen).toContain('gone');
  });
});

describe.runIf(process.platform === 'linux')('ps and /proc', () => {
  it('say the same', () => {
    for (const pid of [process.pid, process.ppid]) {
      expect(seenByPs(pid)?.state).toBe(seenInProc(pid)?.state);
      expect(seenByPs(pid)?.started).toBe(seenByPs(pid)?.started);
      expect(Date.parse(seenByPs(pid)!.started)).toBeLessThanOrEqual(Date.now() + 2000);
    }
    expect(seenByPs(GONE)).toBe(undefined);
    expect(seenInProc(GONE)).toBe(undefined);
  });
});
