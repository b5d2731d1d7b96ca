import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { TINY_RUN } from '../support/tinyRun.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
// Of util-linux: runs a command on a terminal of its own.
const hasScript = spawnSync('script', ['--version']).status === 0;

it.skipIf(!existsSync(MAIN) || !hasScript).each(['threads', 'processes'])(
  'a run on a terminal shows who is at work, and leaves its lines alone: %s (script, npm run build:ts)',
  async (runtime) => {
    const dir = await mkdtemp(join(tmpdir(), 'fedtune-terminal-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    await writeFile(
      join(dir, 'run.yaml'),
      stringify({ ...TINY_RUN, runtime, num_rounds: 2, local_steps: 25, eval_every: 1, output_dir: 'run' }),
    );
    const command = `stty cols 100 rows 40; ${process.execPath} ${MAIN} run run.yaml`;
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], {
      cwd: dir,
      env: { ...process.env, TERM: 'xterm-256color' },
    });
    expect(stdout).toMatch(/round [12] of 2 █*░+ \d of 8 owners, \d+ tokens\/s, loss \d/);
    expect(stdout).toMatch(/ {2}[a-z-]+ +[█░]{20} step \d+ of 25/);
    expect(stdout).toMatch(/round 2 of 2: valid perplexity/);
    // What is left at the end is no part of it.
    expect(stdout.slice(stdout.indexOf('Perplexity on each owner'))).not.toMatch(/[█░]/);
  },
);
