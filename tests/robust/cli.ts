import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { onTestFinished, vi } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { TINY_RUN } from '../support/tinyRun.js';

// A test here starts many processes, which take their time where the machine has other work.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

export const root = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(root, 'dist/cli/main.js');
const WATCH = pathToFileURL(join(root, 'tests/robust/watch.mjs')).href;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What tests/robust/watch.mjs does to a run. */
export interface Watch {
  readonly trace?: string;
  readonly kill?: string;
  /** The thread that `kill` counts in. @default any */
  readonly thread?: string;
  readonly exit?: string;
  readonly stop?: string;
  readonly hold?: string;
}

/** The end of a process, with all that it said. */
export function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Starts the command line in `cwd`; with `watch`, under the eyes of tests/robust/watch.mjs; `inside`: what stands before it. */
export function start(
  cwd: string,
  args: readonly string[],
  watch?: Watch,
  inside: readonly string[] = [],
): ChildProcess {
  const env: NodeJS.ProcessEnv = { ...process.env, FEDTUNE_WATCH_DIR: join(cwd, 'run') };
  for (const [key, value] of Object.entries(watch ?? {})) env[`FEDTUNE_WATCH_${key.toUpperCase()}`] = value;
  const preload = watch === undefined ? [] : ['--import', WATCH];
  const [command, ...rest] = [...inside, process.execPath, ...preload, MAIN, ...args];
  return spawn(command!, rest, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

export const fedtune = (cwd: string, args: readonly string[], watch?: Watch): Promise<Ended> =>
  ended(start(cwd, args, watch));

/** An empty folder; the caller removes it. */
export const makeWorkFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'fedtune-robust-'));

/** An empty folder for a test; it goes with the test. */
export async function workFolder(): Promise<string> {
  const dir = await makeWorkFolder();
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  return dir;
}

/** Writes run.yaml into `cwd`: the tiny run of the method tests with `settings` on top, its output in `run/`. */
export async function writeRunFile(cwd: string, settings: Record<string, unknown>): Promise<void> {
  const keys = { ...TINY_RUN, num_rounds: 2, workers: 1, threads: 1, output_dir: 'run', ...settings };
  parseConfig(keys);
  await writeFile(join(cwd, 'run.yaml'), JSON.stringify(keys));
}

async function filesUnder(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The record without clocks, and without what may differ between equal runs: how they compute. */
function comparableEvents(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { time, seconds, config, ...event } = JSON.parse(line);
      if (config === undefined) return event;
      return { ...event, config: { ...config, workers: null, threads: null, checkpointing: null, retries: null } };
    });
}

/** Everything in a run folder that must be equal between equal runs. */
export async function outcomeOf(cwd: string): Promise<Record<string, unknown>> {
  const dir = join(cwd, 'run');
  const text = (name: string) => readFile(join(dir, name), 'utf8');
  const adapters = await filesUnder(join(dir, 'adapters'));
  const owners = (await filesUnder(join(dir, 'owners'))).filter((name) => name.endsWith('scores.jsonl'));
  const { timing, ...metrics } = JSON.parse(await text('metrics.json'));
  return {
    files: (await filesUnder(dir)).filter((name) => !name.startsWith('.')),
    adapters: Object.fromEntries(
      await Promise.all(adapters.map(async (name) => [name, sha256(await readFile(join(dir, 'adapters', name)))])),
    ),
    metrics,
    scores: await Promise.all(owners.sort().map(async (name) => [name, await text(join('owners', name))])),
    partition: await text('partition.json'),
    events: comparableEvents(await text('events.jsonl')),
  };
}

/** The outcome of a run of these settings that nothing disturbs, in a folder that is gone afterwards. */
export async function outcomeOfWholeRun(settings: Record<string, unknown>): Promise<Record<string, unknown>> {
  const cwd = await makeWorkFolder();
  try {
    await writeRunFile(cwd, settings);
    const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml']);
    if (code !== 0) throw new Error(`Expected the run to end with 0 but it ended with ${code}: ${stderr}`);
    return await outcomeOf(cwd);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
