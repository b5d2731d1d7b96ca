import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PEERS } from '../lib/paths.mjs';

const VENV = join(PEERS, '.venv');
const STAMP = join(VENV, 'installed.txt');

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error || status !== 0)
    throw new Error(`"${command} ${args.join(' ')}" failed: ${error?.message ?? `exit ${status}`}.`);
}

/**
 * Path of a Python with the packages of requirements.txt. FEDTUNE_PEERS_PYTHON names one that is there already; else a virtual
 * environment under benchmarks/peers/.venv is made once and kept while requirements.txt stays the same.
 */
export function peersPython() {
  if (process.env.FEDTUNE_PEERS_PYTHON) return process.env.FEDTUNE_PEERS_PYTHON;
  const windows = process.platform === 'win32';
  const python = join(VENV, windows ? 'Scripts/python.exe' : 'bin/python');
  const requirements = join(PEERS, 'requirements.txt');
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(STAMP) && existsSync(python) && readFileSync(STAMP, 'utf8') === wanted) return python;
  console.error('Installing PyTorch, transformers and PEFT under benchmarks/peers/.venv (once; several GB) ...');
  run(process.env.PYTHON ?? (windows ? 'python' : 'python3'), ['-m', 'venv', VENV]);
  run(python, ['-m', 'pip', 'install', '--quiet', '-r', requirements]);
  writeFileSync(STAMP, wanted);
  return python;
}

/** Runs a script of benchmarks/peers; its last line of stdout is JSON, which is returned. `onStart` gets the child process. */
export function runPython(script, args, onStart = () => {}) {
  return runJson(peersPython(), [join(PEERS, script), ...args], onStart);
}

/** Runs a program whose last line of stdout is JSON. */
export async function runJson(command, args, onStart = () => {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  onStart(child);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  const last = output.stdout.trim().split('\n').at(-1);
  if (code !== 0)
    throw new Error(
      `${command} ${args.join(' ')} exited with ${code}:\n${output.stderr.slice(-3000)}${output.stdout.slice(-1000)}`,
    );
  return JSON.parse(last);
}

// `npm run setup:peers`
if (process.argv[1]?.endsWith('python.mjs')) console.log(peersPython());
