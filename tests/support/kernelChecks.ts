/** Sizes that leave tails everywhere. */
export const KERNEL_SIZES = [
  { m: 1, n: 1, k: 1 },
  { m: 2, n: 3, k: 33 },
  { m: 31, n: 33, k: 65 },
  { m: 33, n: 31, k: 32 },
  { m: 65, n: 172, k: 31 },
  { m: 17, n: 129, k: 7 },
  { m: 96, n: 100, k: 129 },
  { m: 130, n: 65, k: 64 },
  { m: 24, n: 200, k: 300 },
];

/** Sets that multiply in int8 with activations rounded to 8 bits (avx2: to 14 of 16); on amx weights are rounded to bf16, and on both
 * sets with bf16 products probabilities. */
const ROUNDING = ['vnni', 'avx512bf16', 'avxvnni', 'neon', 'i8mm', 'amx', 'avx2'];

/**
 * Error of an element that the arithmetic of a kernel explains, in units of the scale of its terms (native/tests/check_data.h):
 * float32 sums up to some hundred terms are off by a few units of 6e-8. What is rounded to 8 bits is off by a 440th of
 * the largest of its group in the mean of squares; six times that, and the largest of all elements stays below.
 */
export function kernelBound(set: string, kernel: string): number {
  const rounding = ROUNDING.includes(set);
  if (set === 'avx2' && kernel.includes('gemm q8')) return (1.5e-2 * 127) / 8191;
  if (kernel.startsWith('q4')) return kernel === 'q4' ? 1 : 1 / 127;
  if (kernel.startsWith('quantize')) return kernel === 'quantize' ? 0.5001 / 127 : 1 / 127;
  if (rounding && kernel.startsWith('gemm q8')) return 1.5e-2;
  // 16 bits of the activations count; where weights lie across the depth they are rounded once more
  if (rounding && kernel.startsWith('fine gemm q8')) return set === 'amx' || kernel.includes('nn') ? 1e-2 : 2e-4;
  if ((set === 'amx' || set === 'avx512bf16') && kernel.startsWith('attention bf16')) return 1e-2;
  // probabilities and their gradients in bf16
  if (kernel === 'attention bf16 back') return 4e-3;
  return kernel.startsWith('attention') ? 6e-6 : 2e-6;
}

/** Kernel and error of each line that check_kernels prints. */
export function parseErrors(output: string): [kernel: string, error: number][] {
  return output
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([kernel, error]) => [kernel!, Number(error)]);
}
