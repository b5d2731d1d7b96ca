import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cpuInfo } from '../../src/native/engine.js';
import { KERNEL_SIZES, kernelBound, parseErrors } from '../support/kernelChecks.js';
import { nativeTest } from '../support/nativeTests.js';

let program: string;
beforeAll(() => {
  program = nativeTest('check_kernels');
}, 300_000);

// Every kernel of every set that this machine has, element by element against naive float64 loops, with guards around what it
// writes (native/tests/check.cpp).
describe.each(cpuInfo().kernels)('kernels %s', (kernels) => {
  it.each(KERNEL_SIZES)('agree with float64 loops at $m x $n x $k, and write nothing else', ({ m, n, k }) => {
    const size = [m, n, k, m * 7 + n].map(String);
    const errors = parseErrors(execFileSync(program, [kernels, ...size], { encoding: 'utf8' }));
    expect(errors.length).toBeGreaterThan(40);
    for (const [kernel, error] of errors) expect(error, kernel).toBeLessThan(kernelBound(kernels, kernel));
  });
});

// A function that the compiler emits in every object that uses it (weak) is kept once, from whichever object comes first: one
// that was compiled for AVX-512 would then run on processors without.
it.runIf(process.platform === 'linux')('kernel sets share no symbols with the rest of the engine', () => {
  const folder = join(program, '../../CMakeFiles/kernels.dir/kernels');
  const objects = readdirSync(folder).filter((name) => /^set_.*\.o$/.test(name));
  expect(objects.length).toBeGreaterThan(4);
  for (const name of objects) {
    const symbols = execFileSync('nm', ['--demangle', join(folder, name)], { encoding: 'utf8' }).split('\n');
    expect(symbols.some((line) => / T ft::kernels_/.test(line))).toBe(true);
    // weak functions (W), weak objects (V), unique ones (u), but for the pointer that unwinding goes by
    const shared = symbols.filter((line) => / [WVu] /.test(line) && !line.endsWith(' DW.ref.__gxx_personality_v0'));
    expect(shared).toEqual([]);
  }
});
