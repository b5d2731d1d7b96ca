#!/usr/bin/env node
// npm run bench:micro [-- --time MS]: every kernel of every set that this machine has, one thread, on the sizes of SmolLM2-135M at
// 1,024 tokens, beside a naive loop and the machine's peak.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Bench } from 'tinybench';
import { cpuInfo } from '../../dist/native/engine.js';
import { nativeBench } from '../lib/native.mjs';

const { values } = parseArgs({ options: { time: { type: 'string', default: '200' } } });
const native = nativeBench();
const sets = cpuInfo().kernels;
const peak = native.measurePeak(1);

const TASKS = [
  ...['gemm q8 nt', 'gemm q8 nn', 'gemm f32 nt', 'gemm f32 nn'].flatMap((kind) => [
    { kind, size: { m: 1024, n: 960, k: 576 } },
    { kind, size: { m: 1024, n: 576, k: 1536 } },
  ]),
  { kind: 'attention', size: { m: 256, n: 1, k: 64 } },
  { kind: 'attention back', size: { m: 256, n: 1, k: 64 } },
  { kind: 'attention', size: { m: 2048, n: 1, k: 64 } },
  { kind: 'attention back', size: { m: 2048, n: 1, k: 64 } },
  { kind: 'rmsnorm', size: { m: 1024, n: 576, k: 1 } },
  { kind: 'swiglu', size: { m: 1024, n: 1536, k: 1 } },
  { kind: 'swiglu back', size: { m: 1024, n: 1536, k: 1 } },
  { kind: 'softmax', size: { m: 1024, n: 1024, k: 1 } },
];

const bench = new Bench({ time: Number(values.time), warmupTime: 20 });
const runs = [];
for (const { kind, size } of TASKS) {
  const names = kind.startsWith('gemm') ? [...sets, 'naive'] : sets;
  for (const set of names) {
    // the naive loop takes seconds at full size: an eighth of the rows shows its rate as well
    const task = native.kernelTask(set, kind, set === 'naive' ? { ...size, m: size.m / 8 } : size);
    bench.add(`${runs.length}`, task);
    runs.push({ kind, size, set, task });
  }
}
await bench.run();

const table = new Table({
  head: ['kernel', 'm x n x k', 'set', 'median ms', 'G op/s', 'GB/s', '± %'],
  colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'right'],
});
runs.forEach(({ kind, size, set, task }, i) => {
  const { latency } = bench.tasks[i].result;
  const seconds = latency.p50 / 1000;
  const rate = (count) => (count ? (count / seconds / 1e9).toFixed(1) : '');
  table.push([
    kind,
    `${size.m} x ${size.n} x ${size.k}`,
    set,
    (seconds * 1000).toFixed(3),
    rate(task.operations),
    rate(task.bytes),
    latency.rme.toFixed(1),
  ]);
});
console.log(`${cpus()[0]?.model ?? 'unknown processor'}, one thread`);
console.log(
  `peak: fp32 ${peak.fp32.toFixed(0)}, bf16 ${peak.bf16.toFixed(0)}, int8 ${peak.int8.toFixed(0)} G op/s; read ${peak.read.toFixed(1)} GB/s`,
);
console.log(table.toString());
