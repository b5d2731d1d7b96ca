#!/usr/bin/env node
// npm run pack:platforms: cross-compiles the engine with zig (pip install ziglang==0.15.2; also CMake and Ninja) and packs
// @fedtune/<platform>-<arch>[-musl] under build/platforms, and fedtune itself with those as optional dependencies.
// --targets linux-x64,... packs some of them.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { globSync } from 'tinyglobby';
import { chosenTargets, out, root, run, TARGETS } from './platforms.mjs';

const ZIG = 'python3 -m ziglang';
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** A compiler as CMake wants it: one word. zig has names of its own for some sets of instructions. */
function compiler(work, language, { zig, system }) {
  const path = join(work, `zig-${language}`);
  writeFileSync(
    path,
    `#!/bin/sh
for arg do
  shift
  case $arg in
    -march=armv8.2-a*) arg="-mcpu=${system === 'Darwin' ? 'apple_m1' : 'generic+v8_2a'}\${arg#-march=armv8.2-a}" ;;
    -mavx512f) set -- "$@" -mevex512 ;;
  esac
  set -- "$@" "$arg"
done
exec ${ZIG} ${language} -target ${zig} "$@"
`,
  );
  chmodSync(path, 0o755);
  return path;
}

/** Flags by which an addon is linked to the node that will load it. */
function linkFlags({ system }) {
  if (system === 'Darwin') {
    // zig brings the headers of macOS; node's symbols are there when it loads the file, whose name is no path of this machine.
    const name = ['-DCMAKE_BUILD_WITH_INSTALL_NAME_DIR=ON', '-DCMAKE_INSTALL_NAME_DIR=@rpath'];
    const flags = '-DCMAKE_SHARED_LINKER_FLAGS=-s -undefined dynamic_lookup';
    return ['-DCMAKE_OSX_SYSROOT=', '-DCMAKE_INSTALL_NAME_TOOL=true', ...name, flags];
  }
  if (system !== 'Windows') return ['-DCMAKE_SHARED_LINKER_FLAGS=-s'];
  const library = join(out, 'work', 'node.lib');
  const definitions = join(root, 'node_modules/node-api-headers/def/node_api.def');
  run('sh', ['-c', `${ZIG} dlltool -m i386:x86-64 -D node.exe -d "${definitions}" -l "${library}"`]);
  return ['-DCMAKE_SHARED_LINKER_FLAGS=-s', `-DCMAKE_JS_LIB=${library}`];
}

/** Builds one goal of a CMake project; returns the folder that it built in. */
function cmake(source, name, goal, flags) {
  const target = TARGETS[name];
  const work = join(out, 'work', `${name}-${goal}`);
  mkdirSync(work, { recursive: true });
  run('cmake', [
    ...['-S', source, '-B', work, '-G', 'Ninja', '-Wno-dev', '--no-warn-unused-cli', '-DCMAKE_BUILD_TYPE=Release'],
    `-DCMAKE_SYSTEM_NAME=${target.system}`,
    `-DCMAKE_SYSTEM_PROCESSOR=${target.processor}`,
    `-DCMAKE_C_COMPILER=${compiler(work, 'cc', target)}`,
    `-DCMAKE_CXX_COMPILER=${compiler(work, 'c++', target)}`,
    ...linkFlags(target),
    ...flags,
  ]);
  run('cmake', ['--build', work, '--target', goal, '-j2']);
  return work;
}

function buildAddon(name, folder) {
  const [addonApi, headers] = ['node-addon-api', 'node-api-headers/include'].map((path) =>
    join(root, 'node_modules', path),
  );
  const flags = [`-DFEDTUNE_INCLUDES=${addonApi}`, `-DCMAKE_JS_INC=${headers}`];
  const work = cmake(join(root, 'native'), name, 'fedtune', flags);
  copyFileSync(join(work, 'fedtune.node'), join(folder, 'fedtune.node'));
}

/** libggml-base from the sources that node-llama-cpp brings: what it brings built is for glibc. */
function buildGgml(name, folder) {
  const sources = join(out, 'work', 'sources');
  const llama = join(sources, 'llama.cpp');
  if (!existsSync(llama))
    run('git', ['clone', '--quiet', join(root, 'node_modules/node-llama-cpp/llama/gitRelease.bundle'), llama]);
  // As a project of its own, ggml wants files that the bundle has not.
  const project = [
    'cmake_minimum_required(VERSION 3.18)',
    'project(ggml C CXX ASM)',
    'add_subdirectory(llama.cpp/ggml)',
  ];
  writeFileSync(join(sources, 'CMakeLists.txt'), `${project.join('\n')}\n`);
  const off = ['CPU', 'OPENMP', 'NATIVE'].map((part) => `-DGGML_${part}=OFF`);
  const work = cmake(sources, name, 'ggml-base', ['-DBUILD_SHARED_LIBS=ON', ...off]);
  copyFileSync(globSync('**/libggml-base.so', { cwd: work, absolute: true })[0], join(folder, 'libggml-base.so'));
  copyFileSync(join(llama, 'LICENSE'), join(folder, 'LICENSE-ggml'));
}

function pack(folder) {
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', out], { cwd: folder });
}

function writeJson(folder, value) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(value, null, 2)}\n`);
}

function packPlatform(name, target) {
  const folder = join(out, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  buildAddon(name, folder);
  if (target.libc === 'musl') buildGgml(name, folder);
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(
    join(folder, 'README.md'),
    `The training engine of fedtune, built for ${name}. fedtune chooses it by itself.\n`,
  );
  const [os, cpu] = name.split('-');
  const { version, license, engines } = manifest;
  writeJson(folder, {
    ...{ name: `@fedtune/${name}`, version, description: `fedtune's training engine for ${name}`, license, engines },
    ...{ os: [os], cpu: [cpu], ...(target.libc ? { libc: [target.libc] } : {}), main: 'fedtune.node' },
  });
  pack(folder);
}

/**
 * fedtune, with the platforms that are built as optional dependencies. Only here: a lock file could not name packages
 * that are not published before fedtune is, and `npm ci` of a checkout compiles what the checkout has.
 */
function packMain() {
  const folder = join(out, 'main');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  pack(root);
  run('tar', ['-xzf', join(out, `fedtune-${manifest.version}.tgz`), '-C', folder, '--strip-components=1']);
  const built = Object.keys(TARGETS).filter((name) => existsSync(join(out, name, 'fedtune.node')));
  const own = Object.fromEntries(built.map((name) => [`@fedtune/${name}`, manifest.version]));
  writeJson(folder, { ...manifest, optionalDependencies: { ...manifest.optionalDependencies, ...own } });
  pack(folder);
}

for (const [name, target] of chosenTargets()) {
  const started = Date.now();
  packPlatform(name, target);
  console.log(`${name}: ${((Date.now() - started) / 1000).toFixed(0)} s`);
}
packMain();
