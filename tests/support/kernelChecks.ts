/** Sizes that leave tails everywhere. */
export const KERNEL_SIZES = [
  { m: 1, n: 1, k: 1 },
  { m: 31, n: 33, k: 65 },
  { m: 33, n: 31, k: 32 },
  { m: 65, n: 172, k: 31 },
  { m: 96, n: 100, k: 129 },
  { m: 130, n: 65, k: 64 },
  { m: 24, n: 200, k: 300 },
];

/** Relative error that the arithmetic of a kernel explains. */
export function kernelBound(kernel: string): number {
  // int8 activations in groups of 32 (vnni, avxvnni, neon) or bf16 operands (amx)
  if (kernel.startsWith('gemm q8') || kernel.startsWith('gemm bf16')) return 1.5e-2;
  // where weights lie across the depth, they are rounded once more (vnni); amx rounds products of weight and scale to bf16
  if (kernel.startsWith('fine gemm')) return kernel.includes('nn') ? 1e-2 : 5e-3;
  if (kernel.startsWith('attention bf16')) return 1e-2;
  return 2e-6;
}

/** Kernel and error of each line that check_kernels prints. */
export function parseErrors(output: string): [kernel: string, error: number][] {
  return output
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([kernel, error]) => [kernel!, Number(error)]);
}
