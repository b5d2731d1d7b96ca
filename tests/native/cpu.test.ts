import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { cpuInfo } from '../../src/native/engine.js';
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
  }, 300_000);

  /** The chosen kernels and each feature: whether the engine finds it, and whether the compiler's runtime library does. */
  function processor(command: string[]) {
    const output = execFileSync(command[0]!, command.slice(1), {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [kernels, ...rows] = output.trim().split('\n');
    expect(rows.length).toBeGreaterThan(10);
    const features = rows.map((row) => {
      const [name, own, library] = row.split(' ');
      return { name: name!, own: own === '1', library: library === '1' };
    });
    return { kernels, features };
  }

  it('are those that the compiler and Linux find', () => {
    const flags = /^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))![1]!.split(' ');
    const { kernels, features } = processor([program]);
    for (const { name, own, library } of features) {
      expect(own, name).toBe(library);
      expect(own, name).toBe(flags.includes(IN_CPUINFO[name] ?? name));
    }
    expect(kernels).toBe(cpuInfo().kernels[0]);
  });

  // Also: the choice itself uses no instruction that the processor lacks.
  it.runIf(emulator).each([
    ['Nehalem', 'portable', []],
    ['Haswell', 'avx2', ['fma', 'avx2']],
    ['max,-avx2', 'portable', ['fma']],
    // the processor can, the system does not save the registers
    ['Haswell,-xsave', 'portable', []],
  ])('of a %s, emulated, choose the %s kernels', (cpu, expected, has) => {
    const { kernels, features } = processor([EMULATOR, '-cpu', cpu, program]);
    expect(kernels).toBe(expected);
    expect(features.filter(({ own }) => own).map(({ name }) => name)).toEqual(has);
    for (const { name, own, library } of features) expect(own, name).toBe(library);
  });
});
