#!/usr/bin/env node
// Builds the training engine with CMake, through cmake-js.
// Nothing is downloaded. Runs on `npm ci` / `npm install`; skipped where a platform package brings a built one.
// --target NAME builds one target of native/CMakeLists.txt alone (tests and benchmarks are built so, when they are needed);
// --sanitize LIST builds into build/LIST with GCC's or Clang's sanitizers (scripts/sanitize.mjs).
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { lock } from 'proper-lockfile';

const { values: options } = parseArgs({
  options: { target: { type: 'string', default: 'fedtune' }, sanitize: { type: 'string', default: '' } },
});
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(join(root, 'package.json'));
const build = join(root, 'build');

const install = {
  linux: 'sudo apt-get install build-essential cmake   (Debian, Ubuntu)',
  darwin: 'xcode-select --install && brew install cmake   (macOS)',
  win32:
    'winget install Kitware.CMake, and with the Visual Studio installer "Desktop development with C++" and "C++ Clang tools for Windows"',
};

function fail(what, detail) {
  const all = Object.values(install).map((line) => `  ${line}`);
  console.error(`\nfedtune could not build its training engine: ${what}\n`);
  if (detail) console.error(`${detail}\n`);
  console.error(
    `Install what is missing and run "npm ci" again:\n${(install[process.platform] ? [`  ${install[process.platform]}`] : all).join('\n')}\n`,
  );
  process.exit(1);
}

function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Folder of an installed package, whatever its `exports` hide. */
function packageDir(name) {
  const found = require.resolve
    .paths(name)
    .map((dir) => join(dir, name))
    .find((dir) => existsSync(join(dir, 'package.json')));
  return found ?? fail(`the package ${name} is missing.`, 'Install the dependencies: npm ci');
}

/** As src/platform.ts, which is not built yet. */
function hasPlatformPackage() {
  process.report.excludeNetwork = true;
  const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime ? '-musl' : '';
  try {
    require.resolve(`@fedtune/${process.platform}-${process.arch}${musl}/package.json`);
    return true;
  } catch {
    return false;
  }
}

if (options.target === 'fedtune' && options.sanitize === '' && hasPlatformPackage()) process.exit(0);
if (!has('cmake')) fail('CMake is missing.');
if (process.platform !== 'win32' && !has('c++') && !has('g++') && !has('clang++')) fail('a C++ compiler is missing.');

const started = Date.now();
const out = join(build, options.sanitize);
mkdirSync(out, { recursive: true });
// one build at a time: test files that need a target may start together
const release = await lock(out, { stale: 30_000, retries: { retries: 600, factor: 1, minTimeout: 1000 } });
const args = [
  join(packageDir('cmake-js'), 'bin', 'cmake-js'),
  'compile',
  ...['-d', join(root, 'native'), '-O', out, '-T', options.target],
  `--CDFEDTUNE_INCLUDES=${packageDir('node-addon-api')}`,
  `--CDFEDTUNE_SANITIZE=${options.sanitize}`,
  '--silent',
  ...(process.platform === 'win32' ? ['-t', 'ClangCL'] : []),
];
const made = spawn(process.execPath, args, {
  cwd: root,
  stdio: ['ignore', 'pipe', 'pipe'],
  env: { ...process.env, CMAKE_BUILD_PARALLEL_LEVEL: process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? '2' },
});
let output = '';
for (const stream of [made.stdout, made.stderr]) {
  stream.on('data', (chunk) => {
    output = (output + chunk).slice(-4000);
  });
}
const [status] = await once(made, 'close');
await release();
if (status !== 0) fail('the compiler or CMake reported an error.', output);
const what = options.target === 'fedtune' ? 'the training engine' : options.target;
console.log(`fedtune: built ${what} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
