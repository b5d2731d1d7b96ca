import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { cpuSeconds } from './stats.mjs';

/** The steps of a federation's rounds on the engine alone, with as many workers: nothing is sent, merged or kept. */
export async function trainAlone(testCase, caseFile, settings) {
  const workers = Math.min(settings.workers, testCase.clients.length);
  const threads = Math.max(1, Math.floor(settings.threads / workers));
  const pool = Array.from({ length: workers }, (_, w) => {
    const clients = testCase.clients.flatMap((_, i) => (i % workers === w ? [i] : []));
    const workerData = { caseFile, clients, settings: { ...settings, threads } };
    return new Worker(new URL('aloneWorker.mjs', import.meta.url), { workerData });
  });
  const all = () => Promise.all(pool.map((worker) => once(worker, 'message')));
  await all();
  const [seconds, cpu] = [[], []];
  for (let round = 1; round <= testCase.rounds; round++) {
    process.stderr.write(`round ${round} of ${testCase.rounds}\n`);
    const start = performance.now();
    const before = process.cpuUsage();
    const done = all();
    for (const worker of pool) worker.postMessage('go');
    await done;
    seconds.push((performance.now() - start) / 1000);
    cpu.push(cpuSeconds(before));
  }
  await Promise.all(pool.map((worker) => worker.terminate()));
  return { round_seconds: seconds, round_cpu_seconds: cpu, workers };
}
