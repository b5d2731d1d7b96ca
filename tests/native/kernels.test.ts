import { describe, expect, it } from 'vitest';
import { cpuInfo } from '../../src/native/engine.js';
import { loadBinding } from '../../src/native/load.js';

// Every kernel of every set that this machine has, against naive float64 loops and central differences
// (native/engine/check.cpp), on sizes that leave tails everywhere.
const SIZES = [
  { m: 1, n: 1, k: 1 },
  { m: 31, n: 33, k: 65 },
  { m: 33, n: 31, k: 32 },
  { m: 65, n: 172, k: 31 },
  { m: 96, n: 100, k: 129 },
  { m: 130, n: 65, k: 64 },
  { m: 24, n: 200, k: 300 },
];

/** Relative error that each kind of arithmetic explains. */
function bound(kernel: string): number {
  // int8 activations in groups of 32 (vnni, avx2) or bf16 operands (amx)
  if (kernel.startsWith('gemm q8') || kernel.startsWith('gemm bf16')) return 1.5e-2;
  // where weights lie across the depth, they are rounded once more (vnni); amx rounds products of weight and scale to bf16
  if (kernel.startsWith('fine gemm')) return kernel.includes('nn') ? 1e-2 : 5e-3;
  if (kernel.startsWith('attention bf16')) return 1e-2;
  return 2e-6;
}

describe.each(cpuInfo().kernels)('kernels %s', (kernels) => {
  it.each(SIZES)('agree with float64 loops at $m x $n x $k', (size) => {
    const errors = loadBinding().checkKernels(kernels, { ...size, seed: size.m * 7 + size.n });
    expect(Object.keys(errors).length).toBeGreaterThan(20);
    for (const [kernel, error] of Object.entries(errors)) expect(error, kernel).toBeLessThan(bound(kernel));
  });
});
