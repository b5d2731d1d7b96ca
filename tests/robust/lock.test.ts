import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { lockRun } from '../../src/run/lock.js';
import { ended, fedtune, root, start, workFolder, writeRunFile } from './cli.js';

/** Takes the lock again and again; each time it looks whether another has it too. Every other process is killed with it. */
const CONTENDER = `
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
const { lockRun } = await import(process.argv[1]);
const [, , dir, dies] = process.argv;
const mark = dir + '/.inside';
const isAlive = (pid) => { try { process.kill(pid, 0); return true; } catch { return false; } };
for (let taken = 0; taken < 4; ) {
  const lock = await lockRun(dir).catch((error) => { if (error.code !== 'LOCKED') throw error; });
  if (lock === undefined) { await sleep(5); continue; }
  try {
    writeFileSync(mark, String(process.pid), { flag: 'wx' });
  } catch {
    if (isAlive(Number(readFileSync(mark, 'utf8')))) console.log('two at once');
    writeFileSync(mark, String(process.pid));
  }
  await sleep(10);
  if (++taken === 3 && dies === 'yes') process.kill(process.pid, 'SIGKILL');
  rmSync(mark);
  await lock.release();
}
console.log('done');
`;

describe('the lock of a run folder', () => {
  it('lets one of many starts in at a time, also after kills', async () => {
    const dir = await workFolder();
    const lock = pathToFileURL(join(root, 'dist/run/lock.js')).href;
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        ended(
          spawn(process.execPath, ['--input-type=module', '-e', CONTENDER, lock, dir, i % 2 === 1 ? 'yes' : 'no'], {
            stdio: ['ignore', 'pipe', 'pipe'],
          }),
        ),
      ),
    );
    expect(all.map(({ stdout, stderr }) => stdout + stderr)).toEqual(all.map((_, i) => (i % 2 === 1 ? '' : 'done\n')));
    expect(all.map(({ signal }) => signal)).toEqual(all.map((_, i) => (i % 2 === 1 ? 'SIGKILL' : null)));
  });

  it('is taken over from a dead process, even one whose id this one has now', async () => {
    const dir = await workFolder();
    await mkdir(join(dir, '.lock'));
    await writeFile(join(dir, '.owner'), JSON.stringify({ pid: process.pid, host: hostname(), started: 1 }));
    const lock = await lockRun(dir);
    await expect(lockRun(dir)).rejects.toMatchObject({ code: 'LOCKED' });
    await lock.release();
    expect(await readdir(dir)).toEqual([]);
  });

  it('is not taken from a process on another machine', async () => {
    const dir = await workFolder();
    await mkdir(join(dir, '.lock'));
    await writeFile(join(dir, '.owner'), JSON.stringify({ pid: 1, host: 'elsewhere', started: 1 }));
    await expect(lockRun(dir)).rejects.toThrow('process 1 on elsewhere');
  });
});

describe('two runs in one folder', () => {
  it('are refused, and the first goes on; after kill -9 the next takes over', async () => {
    const cwd = await workFolder();
    const short = { partition: 'iid', num_clients: 4, num_rounds: 1 };
    await writeRunFile(cwd, { ...short, num_rounds: 100_000, eval_every: 0 });
    const first = start(cwd, ['run', 'run.yaml']);
    const end = ended(first);
    const states = () => readdir(join(cwd, 'run/state')).catch(() => [] as string[]);
    while ((await states()).length === 0) await sleep(20);
    const refusal = `Another run is using ${join(cwd, 'run')} (process ${first.pid}`;
    for (const args of [
      ['run', 'run.yaml', '--overwrite'],
      ['run', '--resume', 'run'],
    ]) {
      const { code, stderr } = await fedtune(cwd, args);
      expect(code).toBe(1);
      expect(stderr).toContain(refusal);
    }
    expect(first.exitCode).toBe(null);
    const config = await readFile(join(cwd, 'run/config.yaml'), 'utf8');
    expect(config).toContain('num_rounds: 100000');
    first.kill('SIGKILL');
    await end;

    const exists = await fedtune(cwd, ['run', 'run.yaml']);
    expect(exists.code).toBe(1);
    expect(exists.stderr).toContain('holds a run already');
    await writeRunFile(cwd, short);
    const taken = await fedtune(cwd, ['run', 'run.yaml', '--overwrite']);
    expect(taken.code, taken.stderr).toBe(0);
  });

  it('never begin in a folder that holds something else', async () => {
    const cwd = await workFolder();
    await writeRunFile(cwd, { output_dir: '.' });
    await writeFile(join(cwd, 'config.yaml'), 'num_rounds: 3\n');
    const { code, stderr } = await fedtune(cwd, ['run', 'run.yaml', '--overwrite']);
    expect(code).toBe(1);
    expect(stderr).toContain('holds config.yaml');
    expect(await readFile(join(cwd, 'config.yaml'), 'utf8')).toBe('num_rounds: 3\n');
  });
});
