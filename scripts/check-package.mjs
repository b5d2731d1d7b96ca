#!/usr/bin/env node
// npm run check:package: the package as it would be published. publint and are-the-types-wrong find nothing; installed in an empty project
// without install scripts, with an engine from a platform package, it runs the snippets of README.md, a federation and an export on Node
// 20, 22 and 24 (fetched as npm packages where they are not the one at hand). Prints what an installation fetches.
// --nodes 20,22,24 says which; --keep leaves the folder.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { globSync } from 'tinyglobby';

const PUBLINT = 'publint@0.3';
const TYPES = '@arethetypeswrong/cli@0.18';

const { values: options } = parseArgs({
  options: { nodes: { type: 'string', default: '20,22,24' }, keep: { type: 'boolean', default: false } },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'fedtune-package-'));
const project = join(work, 'project');
const cache = join(work, 'cache');
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

function run(command, args, cwd = work, env = {}) {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    console.error(`FAIL ${command} ${args.join(' ')}\n${error.stdout}${error.stderr}`);
    process.exit(1);
  }
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function install(...what) {
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', cache, ...what], project);
}

function reportFetched() {
  const sizes = filesOf(join(cache, '_cacache/content-v2')).map((file) => ({
    size: statSync(file).size,
    // gzip
    isPackage: readFileSync(file).readUInt16BE(0) === 0x1f8b,
  }));
  const sum = (list) => list.reduce((total, { size }) => total + size, 0);
  const packages = Object.keys(
    JSON.parse(readFileSync(join(project, 'node_modules/.package-lock.json'), 'utf8')).packages,
  ).length;
  const unpacked = filesOf(join(project, 'node_modules')).reduce((total, file) => total + statSync(file).size, 0);
  console.log(
    `ok   npm install: ${packages} packages, ${megabytes(sum(sizes))} fetched (${megabytes(sum(sizes.filter(({ isPackage }) => isPackage)))} of packages, the rest what the registry says of them), ${megabytes(unpacked)} on disk`,
  );
}

/** The tarball of `npm run pack:platforms` for this machine, else a package of the same form around the engine that was built here. */
function platformPackage() {
  const name = `${process.platform}-${process.arch}`;
  const packed = join(
    root,
    'build/platforms',
    `fedtune-${name}-${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}.tgz`,
  );
  if (existsSync(packed)) return packed;
  const folder = join(work, 'platform');
  mkdirSync(folder);
  copyFileSync(join(root, 'build/Release/fedtune.node'), join(folder, 'fedtune.node'));
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: `@fedtune/${name}`, version: '0.0.0', main: 'fedtune.node' }),
  );
  return run('npm', ['pack', '--pack-destination', work], folder) && join(work, `fedtune-${name}-0.0.0.tgz`);
}

/** A Node of that major version. */
function nodeOf(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const folder = join(work, `node${major}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  run('npm', ['install', '--no-audit', '--no-fund', `node@${major}`], folder);
  return globSync('node_modules/node*/bin/node', { cwd: folder })
    .map((path) => join(folder, path))
    .at(-1);
}

function checkOn(major) {
  const node = nodeOf(major);
  const main = join(project, 'node_modules/fedtune/dist/cli/main.js');
  const fedtune = (...args) => run(node, [main, ...args], project);
  const version = run(node, ['--version']).trim();
  const page = readFileSync(join(project, 'node_modules/fedtune/README.md'), 'utf8');
  const snippets = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  if (snippets.length === 0) throw new Error('README.md has no snippet.');
  for (const code of snippets) {
    writeFileSync(join(project, 't.mjs'), code);
    const printed = run(node, ['t.mjs'], project);
    if (/NaN|undefined/.test(printed)) throw new Error(`A snippet of README.md printed ${printed}`);
  }
  const dir = `runs/${major}`;
  fedtune(
    'run',
    '--num-rounds',
    '1',
    '--local-steps',
    '2',
    '--max-train-examples',
    '8',
    '--max-test-examples',
    '2',
    '--output-dir',
    dir,
  );
  fedtune('export', dir, '--client', 'global', '--format', 'gguf', '--out', `out/${major}`);
  const asked = spawnSync(node, [main, 'chat', dir, '--owner', 'global', '--prompt', 'x'], {
    cwd: project,
    encoding: 'utf8',
  });
  if (asked.status !== 1 || !asked.stderr.includes('npm install node-llama-cpp@'))
    throw new Error(`chat said ${asked.stderr}`);
  fedtune('doctor');
  console.log(
    `ok   ${version}: ${snippets.length} snippet(s) of README.md, run, export, doctor; chat says what it wants`,
  );
}

mkdirSync(project);
run('npm', ['pack', '--ignore-scripts', '--pack-destination', work], root);
const tarball = globSync('fedtune-*.tgz', { cwd: work }).map((file) => join(work, file))[0];
const lint = run('npx', ['--yes', PUBLINT, 'run', tarball, '--strict'], work);
console.log(`ok   publint: ${lint.trim().split('\n').at(-1)}`);
run('npx', ['--yes', TYPES, tarball, '--profile', 'esm-only', '--no-emoji'], work);
console.log('ok   are-the-types-wrong (ESM only)');
writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
install(tarball);
reportFetched();
install(platformPackage());
for (const major of options.nodes.split(',')) checkOn(Number(major));
if (!options.keep) rmSync(work, { recursive: true });
else console.log(work);
