import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PEERS } from '../lib/paths.mjs';

/** The virtual environments: where each of the requirements goes, and who names a Python that is there already. */
const VENVS = {
  peers: { folder: '.venv', requirements: 'requirements.txt', given: process.env.FEDTUNE_PEERS_PYTHON },
  others: { folder: '.venv-others', requirements: 'requirements-others.txt', given: process.env.FEDTUNE_OTHERS_PYTHON },
  trackers: {
    folder: '.venv-trackers',
    requirements: 'requirements-trackers.txt',
    given: process.env.FEDTUNE_TRACKERS_PYTHON,
  },
  flower: { folder: '.venv-flower', requirements: 'requirements-flower.txt' },
  'flower-grpc': { folder: '.venv-flower-grpc', requirements: 'requirements-flower-grpc.txt' },
};

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error || status !== 0)
    throw new Error(`"${command} ${args.join(' ')}" failed: ${error?.message ?? `exit ${status}`}.`);
}

/**
 * Path of a Python with the packages of a requirements file: `peers`, `others`, `trackers`, `flower`, `flower-grpc`. FEDTUNE_PEERS_PYTHON,
 * FEDTUNE_OTHERS_PYTHON and FEDTUNE_TRACKERS_PYTHON name ones that are there already; else a virtual environment under benchmarks/peers is made once and kept
 * while the requirements stay the same.
 */
export function peersPython(venv = 'peers') {
  const { given, ...names } = VENVS[venv];
  if (given) return given;
  const folder = join(PEERS, names.folder);
  const windows = process.platform === 'win32';
  const python = join(folder, windows ? 'Scripts/python.exe' : 'bin/python');
  const stamp = join(folder, 'installed.txt');
  const requirements = join(PEERS, names.requirements);
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(stamp) && existsSync(python) && readFileSync(stamp, 'utf8') === wanted) return python;
  console.error(`Installing ${names.requirements} under benchmarks/peers/${names.folder} (once; up to several GB) ...`);
  run(process.env.PYTHON ?? (windows ? 'python' : 'python3'), ['-m', 'venv', folder]);
  run(python, ['-m', 'pip', 'install', '--quiet', '-r', requirements]);
  writeFileSync(stamp, wanted);
  return python;
}

/**
 * Runs a script of benchmarks/peers; its last line of stdout is JSON, which is returned. `options`: `venv` (see
 * {@link peersPython}) and those of {@link runJson}.
 */
export function runPython(script, args, { venv, ...options } = {}) {
  return runJson(peersPython(venv), [join(PEERS, script), ...args], options);
}

/** Children of {@link runJson} that are alive; each leads a process group, so that its own children end with it. */
const running = new Set();

function endGroup(child) {
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) endGroup(child);
    process.exit(130);
  });
}

/**
 * Runs a program whose last line of stdout is JSON. `options`: `onStart` gets the child process, `onLine` each line of
 * its stderr, `env` is added to the environment, `timeoutSeconds` ends the whole process group.
 */
export async function runJson(command, args, { onStart, onLine, env, timeoutSeconds } = {}) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    detached: process.platform !== 'win32',
  });
  running.add(child);
  onStart?.(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output.stderr += text;
    for (const line of text.split('\n')) if (line.trim() !== '') onLine?.(line);
  });
  let timedOut = false;
  const timer =
    timeoutSeconds &&
    setTimeout(() => {
      timedOut = true;
      endGroup(child);
    }, timeoutSeconds * 1000);
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve)).finally(() => {
    clearTimeout(timer);
    running.delete(child);
  });
  if (timedOut) throw new Error(`no result within ${timeoutSeconds} s`);
  if (code !== 0) {
    const tail = `${output.stderr.slice(-3000)}${output.stdout.slice(-1000)}`;
    throw new Error(`${command} ${args.join(' ')} exited with ${code}:\n${tail}`);
  }
  return JSON.parse(output.stdout.trim().split('\n').at(-1));
}

// `npm run setup:peers`
if (process.argv[1]?.endsWith('python.mjs')) console.log(peersPython());
