import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { nativeTest } from '../support/nativeTests.js';

const EMULATOR = 'qemu-x86_64';
const emulator = spawnSync(EMULATOR, ['--version']).status === 0;

/** Names of Linux for what kernel sets ask for, where they differ from the compilers'. */
const IN_CPUINFO: Record<string, string> = {
  avxvnni: 'avx_vnni',
  avx512vnni: 'avx512_vnni',
  avx512bf16: 'avx512_bf16',
  'amx-bf16': 'amx_bf16',
  'amx-tile': 'amx_tile',
};

describe.runIf(process.arch === 'x64' && process.platform === 'linux')('features of the processor', () => {
  let program: string;
  beforeAll(() => {
    program = nativeTest('test_cpu');
  }, 120_000);

  /** Each feature: whether the engine finds it, and whether the compiler's runtime library does. */
  function features(command: string[]) {
    const output = execFileSync(command[0]!, command.slice(1), {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const rows = output
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
    expect(rows.length).toBeGreaterThan(10);
    return rows.map(([name, own, library]) => ({ name: name!, own: own === '1', library: library === '1' }));
  }

  it('are those that the compiler and Linux find', () => {
    const flags = /^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))![1]!.split(' ');
    for (const { name, own, library } of features([program])) {
      expect(own, name).toBe(library);
      expect(own, name).toBe(flags.includes(IN_CPUINFO[name] ?? name));
    }
  });

  it.runIf(emulator).each([
    ['Nehalem', []],
    ['Haswell', ['fma', 'avx2']],
    ['max,-avx2', ['fma']],
    // the processor can, the system does not save the registers
    ['Haswell,-xsave', []],
  ])('of a %s, emulated', (cpu, expected) => {
    const found = features([EMULATOR, '-cpu', cpu, program]);
    expect(found.filter(({ own }) => own).map(({ name }) => name)).toEqual(expected);
    for (const { name, own, library } of found) expect(own, name).toBe(library);
  });
});
