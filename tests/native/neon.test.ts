import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KERNEL_SIZES, kernelBound, parseErrors } from '../support/kernelChecks.js';

// The NEON set on other machines: cross-compiled and run in user-mode emulation (Debian: g++-aarch64-linux-gnu, qemu-user).
const COMPILER = 'aarch64-linux-gnu-g++';
const EMULATOR = 'qemu-aarch64';
const SOURCES = [
  ...['portable', 'avx2', 'avxvnni', 'vnni', 'avx512bf16', 'amx', 'neon'].map((set) => `kernels/set_${set}.cpp`),
  'kernels/registry.cpp',
  'tests/check.cpp',
  'tests/check_attention.cpp',
  'tests/check_gemm.cpp',
  'tests/check_rows.cpp',
  'tests/check_vectors.cpp',
  'tests/check_kernels.cpp',
].map((path) => join('native', path));

const missing = [COMPILER, EMULATOR].filter((tool) => spawnSync(tool, ['--version']).status !== 0);

describe.skipIf(missing.length > 0)(
  `neon kernels, emulated${missing.length > 0 ? ` (skipped: no ${missing.join(', no ')})` : ''}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'fedtune-neon-'));
    const program = join(folder, 'check_kernels');

    beforeAll(() => {
      execFileSync(COMPILER, ['-std=c++17', '-O3', '-static', '-march=armv8.2-a+dotprod', ...SOURCES, '-o', program]);
    }, 300_000);
    afterAll(() => rmSync(folder, { recursive: true }));

    it.each(KERNEL_SIZES)('agree with float64 loops at $m x $n x $k', ({ m, n, k }) => {
      const size = [m, n, k, m * 7 + n].map(String);
      const output = execFileSync(EMULATOR, ['-cpu', 'max', program, 'neon', ...size], { encoding: 'utf8' });
      const errors = parseErrors(output);
      expect(errors.length).toBeGreaterThan(40);
      for (const [kernel, error] of errors) expect(error, kernel).toBeLessThan(kernelBound('neon', kernel));
    });
  },
);
