import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { cpuInfo } from '../../src/native/engine.js';
import { KERNEL_SIZES, kernelBound, parseErrors } from '../support/kernelChecks.js';
import { nativeTest } from '../support/nativeTests.js';

let program: string;
beforeAll(() => {
  program = nativeTest('check_kernels');
}, 300_000);

// Every kernel of every set that this machine has, against naive float64 loops and central differences
// (native/tests/check.cpp).
describe.each(cpuInfo().kernels)('kernels %s', (kernels) => {
  it.each(KERNEL_SIZES)('agree with float64 loops at $m x $n x $k', ({ m, n, k }) => {
    const size = [m, n, k, m * 7 + n].map(String);
    const errors = parseErrors(execFileSync(program, [kernels, ...size], { encoding: 'utf8' }));
    expect(errors.length).toBeGreaterThan(20);
    for (const [kernel, error] of errors) expect(error, kernel).toBeLessThan(kernelBound(kernel));
  });
});
