import { describe, expect, it } from 'vitest';
import { cpuInfo } from '../../src/native/engine.js';
import { loadBinding } from '../../src/native/load.js';
import { KERNEL_SIZES, kernelBound } from '../support/kernelChecks.js';

// Every kernel of every set that this machine has, against naive float64 loops and central differences
// (native/engine/check.cpp).
describe.each(cpuInfo().kernels)('kernels %s', (kernels) => {
  it.each(KERNEL_SIZES)('agree with float64 loops at $m x $n x $k', (size) => {
    const errors = loadBinding().checkKernels(kernels, { ...size, seed: size.m * 7 + size.n });
    expect(Object.keys(errors).length).toBeGreaterThan(20);
    for (const [kernel, error] of Object.entries(errors)) expect(error, kernel).toBeLessThan(kernelBound(kernel));
  });
});
