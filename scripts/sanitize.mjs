#!/usr/bin/env node
// npm run test:asan, npm run test:tsan: the native tests, and a short training through the addon, built with GCC's or Clang's
// sanitizers (Linux). Any finding ends it with a report and status 1.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuInfo } from '../dist/native/engine.js';

const root = join(fileURLToPath(import.meta.url), '../..');
const KINDS = {
  asan: {
    sanitize: 'address,undefined',
    runtime: 'libasan.so',
    // Of a process that node runs, leaks are not counted: V8 and node leave much to the end of the process, and every
    // allocation of the addon has their frames in its stack, so no rule could tell them apart.
    node: { ASAN_OPTIONS: 'detect_leaks=0' },
  },
  tsan: {
    sanitize: 'thread',
    runtime: 'libtsan.so',
    // Node and V8 are not built with the sanitizer, which sees their calls of libc but not the atomics that order them.
    node: { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1' },
  },
};
const kind = KINDS[process.argv[2]];
if (!kind) throw new Error(`Expected asan or tsan but received ${process.argv[2]}.`);
const built = join(root, 'build', kind.sanitize, 'Release');

// As many sizes as fit into a minute; tests/support/kernelChecks.ts has them all.
const SIZES = [
  [1, 1, 1],
  [31, 33, 65],
  [65, 172, 31],
];

function build(target) {
  const args = [join(root, 'scripts', 'build-native.mjs'), '--sanitize', kind.sanitize, '--target', target];
  execFileSync(process.execPath, args, { stdio: 'inherit' });
}

function run(name, command, args, env = {}) {
  console.log(`${process.argv[2]}: ${name}`);
  try {
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } });
  } catch (error) {
    console.error(`${process.argv[2]}: ${name} failed (${error.signal ?? error.status})`);
    process.exit(1);
  }
}

/** A script of tests/native/children with the instrumented addon. The order of the address space is what TSan expects. */
function runInNode(script, env = {}) {
  const runtime = execFileSync('c++', [`-print-file-name=${kind.runtime}`], { encoding: 'utf8' }).trim();
  const path = join(root, 'tests', 'native', 'children', `${script}.mjs`);
  run(`${script}.mjs`, 'setarch', ['-R', process.execPath, path], {
    LD_PRELOAD: runtime,
    FEDTUNE_ADDON: join(built, 'fedtune.node'),
    ...kind.node,
    ...env,
  });
}

for (const target of ['check_kernels', 'test_pool', 'fedtune']) build(target);
run('test_pool', join(built, 'test_pool'), []);
for (const set of cpuInfo().kernels) {
  for (const size of SIZES)
    run(`check_kernels ${set} ${size}`, join(built, 'check_kernels'), [set, ...size, 1].map(String));
}
runInNode('train');
runInNode('terminate');
console.log(`${process.argv[2]}: clean`);
