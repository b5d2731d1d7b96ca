import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import { TINY_RUN } from '../support/tinyRun.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
// Of util-linux: runs a command on a terminal of its own.
const hasScript = spawnSync('script', ['--version']).status === 0;

/** A run in a process of its own, once it says what it is at. */
async function begin(settings: Record<string, unknown>) {
  const dir = await mkdtemp(join(tmpdir(), 'fedtune-follow-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'run.yaml'), stringify({ ...TINY_RUN, output_dir: 'run', ...settings }));
  const child = spawn(process.execPath, [MAIN, 'run', 'run.yaml'], { cwd: dir, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await vi.waitFor(() => expect(existsSync(join(dir, 'run/progress.json'))).toBe(true), {
    timeout: 60_000,
    interval: 20,
  });
  return { dir, child, ended: once(child, 'close') };
}

const follow = (cwd: string) => promisify(execFile)(process.execPath, [MAIN, 'report', 'run', '--follow'], { cwd });

describe.skipIf(!existsSync(MAIN))('fedtune report RUN --follow (npm run build:ts)', () => {
  it('says in a log how a run of another process goes on, to its scores', async () => {
    const { dir, ended } = await begin({ num_rounds: 8, local_steps: 20, eval_every: 1 });
    const { stdout, stderr } = await follow(dir);
    expect((await ended)[0]).toBe(0);
    const rounds = [...stderr.matchAll(/^round (\d+) of 8: valid perplexity: base /gm)].map(([, round]) =>
      Number(round),
    );
    expect(rounds.length).toBeGreaterThan(2);
    expect(rounds).toEqual([...rounds].sort((a, b) => a - b));
    expect(stderr).not.toContain('\u001b');
    expect(stdout).toContain('mean of owners');
    expect(await readdir(join(dir, 'run'))).not.toContain('progress.json');
    expect((await follow(dir)).stderr).toBe('Nothing to follow: the run does not go on at the moment.\n');
  });

  it('says of one that was killed how it goes on', async () => {
    const { dir, child, ended } = await begin({ num_rounds: 1000, local_steps: 20, eval_every: 1 });
    const followed = follow(dir);
    setTimeout(() => child.kill('SIGKILL'), 4000);
    const { stdout, stderr } = await followed;
    await ended;
    expect(stderr).toMatch(/The run was cut before its end. Go on with: fedtune run --resume run\n$/);
    expect(stdout).not.toContain('mean of owners');
  });

  it('--open tells the page of it', async () => {
    const { dir, child, ended } = await begin({ num_rounds: 1000, local_steps: 20 });
    const env = { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '', BROWSER: '' };
    const server = spawn(process.execPath, [MAIN, 'report', 'run', '--open'], { cwd: dir, env });
    onTestFinished(() => void server.kill('SIGKILL'));
    let said = '';
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const url = await vi.waitFor(() => /live report.*: (http\S+)/.exec(said)![1]!, { timeout: 30_000 });
    const { body } = await fetch(`${url}events?have=1`);
    const statuses: string[] = [];
    let text = '';
    for await (const piece of body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      for (const [, data] of text.matchAll(/^event: status\ndata: (.*)\n\n/gm)) statuses.push(JSON.parse(data!).text);
      text = text.slice(text.lastIndexOf('\n\n') + 2);
      if (statuses.length > 3) child.kill('SIGKILL');
      if (statuses.at(-1) === 'The run has ended, or was interrupted.') break;
    }
    await ended;
    expect(statuses[0]).toMatch(/^Round \d+ of 1000, \d of 8 owners/);
  });

  it.skipIf(!hasScript)('shows on a terminal who is at work', async () => {
    const { dir, ended } = await begin({ num_rounds: 6, local_steps: 40, eval_every: 1 });
    const command = `stty cols 100 rows 40; ${process.execPath} ${MAIN} report run --follow`;
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], {
      cwd: dir,
      env: { ...process.env, TERM: 'xterm-256color' },
    });
    await ended;
    expect(stdout).toMatch(/round \d+ of 6 █*░+ \d of 8 owners, \d+ tokens\/s, loss \d[.\d]+, .+ left/);
    expect(stdout).toMatch(/ {2}[a-z-]+ +[█░]{20} step \d+ of 40/);
    expect(stdout.slice(stdout.indexOf('mean of owners'))).not.toMatch(/[█░]/);
  });
});
