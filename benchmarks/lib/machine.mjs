import { cpus, release, totalmem } from 'node:os';
import { nativeBench } from './native.mjs';
import { library } from './paths.mjs';

const round = (value) => Math.round(value * 10) / 10;

/** The best of a few short measurements of the peak rates of `threads` threads: GFLOP/s fp32 and bf16, GOP/s int8, GB/s read. */
export function bestPeak(threads, tries = 3) {
  const runs = Array.from({ length: tries }, () => nativeBench().measurePeak(threads));
  const best = (key) => round(Math.max(...runs.map((run) => run[key])));
  return { fp32: best('fp32'), bf16: best('bf16'), int8: best('int8'), read: best('read') };
}

/**
 * What was measured on: processor, its features, cores, memory, versions, and its measured peak with one and all threads (`hasPeak`: where
 * the arithmetic is what counts).
 */
export async function describeMachine(threads, hasPeak = true) {
  const { loadBinding, findGgmlLibrary } = await library('native/load.js');
  const { version } = await library('version.js');
  const binding = loadBinding();
  const { kernels, features } = binding.cpu();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    features,
    kernels,
    memory_gib: round(totalmem() / 2 ** 30),
    system: `${process.platform}-${process.arch} ${release()}`,
    threads,
    versions: { fedtune: version, node: process.version, ggml: binding.ggmlVersion(findGgmlLibrary()) },
    peak: hasPeak ? { one_thread: bestPeak(1), all_threads: bestPeak(threads) } : null,
  };
}
