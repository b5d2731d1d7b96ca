import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './paths.mjs';

let addon;

/**
 * The addon of the benchmarks (native/bench), built when it is first asked for:
 *
 * - `measurePeak(threads)`: GFLOP/s fp32, GFLOP/s bf16 and GOP/s int8 of the best dot-product instruction and GB/s of a
 *   plain read, as `{ fp32, bf16, int8, read }`.
 * - `kernelTask(kernels, kind, { m, n, k })`: a function that runs one kernel of a set once on random data, with
 *   what a run costs as its properties `operations` and `bytes`. Kinds: native/bench/kernel_task.h. Set `naive`: a plain loop.
 */
export function nativeBench() {
  if (!addon) {
    execFileSync(process.execPath, [join(ROOT, 'scripts/build-native.mjs'), '--target', 'fedtune_bench']);
    addon = createRequire(import.meta.url)(join(ROOT, 'build', 'Release', 'fedtune_bench.node'));
  }
  return addon;
}
