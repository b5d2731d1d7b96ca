import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KERNEL_SIZES, kernelBound, parseErrors } from '../support/kernelChecks.js';

// The NEON sets on other machines: cross-compiled and run in user-mode emulation (Debian: g++-aarch64-linux-gnu, qemu-user).
const COMPILER = 'aarch64-linux-gnu-g++';
const EMULATOR = 'qemu-aarch64';
const FLAGS = ['-std=c++17', '-O3', '-march=armv8.2-a+dotprod'];
const I8MM = join('native', 'kernels', 'set_i8mm.cpp');

const missing = [COMPILER, EMULATOR].filter((tool) => spawnSync(tool, ['--version']).status !== 0);
const skipped = missing.length > 0 ? ` (skipped: ${missing.map((tool) => `no ${tool}`).join(', ')})` : '';

describe.skipIf(missing.length > 0)(`neon and i8mm kernels, emulated${skipped}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fedtune-neon-'));
  const program = join(folder, 'check_kernels');
  const check = (set: string, size: string[]) =>
    execFileSync(EMULATOR, ['-cpu', 'max', program, set, ...size], { encoding: 'utf8' });

  beforeAll(() => {
    const sources = ['kernels', 'tests'].flatMap((dir) =>
      readdirSync(join('native', dir)).map((name) => join('native', dir, name)),
    );
    const checks = sources.filter((path) => /(set_\w+|registry|check\w*)\.cpp$/.test(path) && path !== I8MM);
    const object = join(folder, 'set_i8mm.o');
    execFileSync(COMPILER, [...FLAGS.slice(0, 2), `${FLAGS[2]}+i8mm`, '-c', I8MM, '-o', object]);
    execFileSync(COMPILER, [...FLAGS, '-static', ...checks, object, '-o', program]);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(KERNEL_SIZES)('agree with float64 loops at $m x $n x $k, both to the same bits', ({ m, n, k }) => {
    const size = [m, n, k, m * 7 + n].map(String);
    const output = check('neon', size);
    expect(check('i8mm', size)).toBe(output);
    const errors = parseErrors(output);
    expect(errors.length).toBeGreaterThan(40);
    for (const [kernel, error] of errors) expect(error, kernel).toBeLessThan(kernelBound('neon', kernel));
  });
});
