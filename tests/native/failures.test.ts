import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nativeTest } from '../support/nativeTests.js';

interface GuardAddon {
  sync(how: string): void;
  bare(how: string): void;
  async(how: string, where: string): Promise<string>;
  releases(): number;
}

const THROWN: [how: string, code: string, message: RegExp][] = [
  ['error', 'BAD_MODEL', /^planted$/],
  ['bad_alloc', 'OUT_OF_MEMORY', /Not enough memory/],
  ['length_error', 'INTERNAL', /report it/],
  ['ios', 'INTERNAL', /planted.*report it/],
  ['odd', 'INTERNAL', /report it/],
  ['int', 'INTERNAL', /report it/],
];

// Whatever C++ throws, wherever it throws it, ends in a typed error and never the process.
describe('exceptions in C++', () => {
  const addon = createRequire(import.meta.url)(nativeTest('guard_addon', 'guard_addon.node')) as GuardAddon;

  it.each(THROWN)('%s becomes %s', async (how, code, message) => {
    const wanted = expect.objectContaining({ code, message: expect.stringMatching(message) });
    expect(() => addon.sync(how)).toThrow(wanted);
    const before = addon.releases();
    for (const where of ['arguments', 'work', 'finish']) {
      const promise = addon.async(how, where);
      await expect(promise).rejects.toEqual(wanted);
    }
    expect(addon.releases()).toBe(before + 3);
    // the last net: a call that nobody guards
    expect(() => addon.bare(how)).toThrow(Error);
  });

  it('lets what works work', async () => {
    expect(await addon.async('none', 'work')).toBe('fine');
  });

  it('in tasks of the pool wait until no thread is at work, and threads that do not start are an error', () => {
    const output = execFileSync(nativeTest('test_pool'), { encoding: 'utf8', timeout: 300_000 });
    expect(output.trim().split('\n')).toEqual([
      'ok a task that throws, one thread',
      'ok every task throws',
      'ok a late task throws',
      'ok something that is no std::exception',
      'ok no threads',
      'ok bounded',
    ]);
  });
});

/** Runs a script of ./children in a node of its own and returns the JSON that it prints; throws where the process fails. */
function child(script: string, env: NodeJS.ProcessEnv = {}): unknown {
  const path = fileURLToPath(new URL(`./children/${script}.mjs`, import.meta.url));
  const options = { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 300_000 } as const;
  return JSON.parse(execFileSync(process.execPath, [path], options));
}

describe('the addon in a process of its own', () => {
  it.runIf(process.platform === 'linux')(
    'reports threads that the system does not give, and works when it does',
    () => {
      const got = child('threads', { LD_PRELOAD: nativeTest('fail_threads', 'libfail_threads.so') });
      expect(got).toEqual(['EngineError THREADS', 'EngineError THREADS', 'EngineError THREADS', 'none', 'works']);
    },
  );

  it('survives worker threads that are terminated inside the engine', () => {
    expect(child('terminate')).toBe('alive');
  });

  it('has trainers collected that nobody disposed of', () => {
    expect(child('collect')).toBe(true);
  });
});
