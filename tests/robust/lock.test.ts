import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { lockRun } from '../../src/run/lock.js';
import { identify } from '../../src/run/process.js';
import { ended, fedtune, root, start, workFolder, writeRunFile } from './cli.js';

/** Takes the lock again and again; each time it looks whether another has it too. Every other process is killed with it. */
const CONTENDER = `
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
const { lockRun } = await import(process.argv[1]);
const [, , dir, dies] = process.argv;
const mark = dir + '/.inside';
for (let taken = 0; taken < 4; ) {
  const lock = await lockRun(dir).catch((error) => { if (error.code !== 'LOCKED') throw error; });
  if (lock === undefined) { await sleep(5); continue; }
  try {
    writeFileSync(mark, String(process.pid), { flag: 'wx' });
  } catch {
    if (readFileSync(mark, 'utf8') !== 'killed') console.log('two at once');
    writeFileSync(mark, String(process.pid));
  }
  await sleep(10);
  if (++taken === 3 && dies === 'yes') {
    writeFileSync(mark, 'killed');
    process.kill(process.pid, 'SIGKILL');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
  rmSync(mark);
  await lock.release();
}
console.log('done');
`;

/** Takes the lock and keeps it. */
const HOLDER = `
const { lockRun } = await import(process.argv[1]);
await lockRun(process.argv[2]);
setInterval(() => {}, 1000);
`;

/** A process that does nothing. */
const idle = () => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });

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

  it('is taken over from a process that is gone, even where another has its id now', async () => {
    const dir = await workFolder();
    const other = idle();
    for (const owner of [
      { ...identify(), started: '1' },
      { ...identify(other.pid), started: '1' },
      { ...identify(), pid: 2 ** 22 + 1 },
    ]) {
      await writeFile(join(dir, '.lock'), JSON.stringify({ ...owner, token: 'another' }));
      const lock = await lockRun(dir);
      expect(lock.isHeld()).toBe(true);
      await expect(lockRun(dir)).rejects.toMatchObject({ code: 'LOCKED' });
      await lock.release();
      expect(await readdir(dir)).toEqual([]);
    }
    await writeFile(join(dir, '.lock'), JSON.stringify({ ...identify(other.pid), token: 'another' }));
    await expect(lockRun(dir)).rejects.toThrow(`process ${other.pid} on`);
    other.kill('SIGKILL');
  });

  it('is taken over from a process that was killed but whose parent has not asked after it', async ({ skip }) => {
    if (process.platform === 'win32') skip('this system has no zombies');
    const dir = await workFolder();
    const lock = pathToFileURL(join(root, 'dist/run/lock.js')).href;
    // What sh becomes never asks how its child ended.
    const parent = spawn(
      'sh',
      ['-c', '"$0" --input-type=module -e "$1" "$2" "$3" & exec sleep 60', process.execPath, HOLDER, lock, dir],
      {
        stdio: 'ignore',
      },
    );
    const owner = async () => JSON.parse(await readFile(join(dir, '.lock'), 'utf8').catch(() => '{}'));
    while ((await owner()).pid === undefined) await sleep(10);
    await expect(lockRun(dir)).rejects.toMatchObject({ code: 'LOCKED' });
    const { pid } = await owner();
    process.kill(pid, 'SIGKILL');
    const taken = await lockRun(dir);
    expect(() => process.kill(pid, 0), 'it is there as a zombie').not.toThrow();
    await taken.release();
    parent.kill('SIGKILL');
  });

  it('is taken from a process on another machine when it was not touched for a minute', async () => {
    const dir = await workFolder();
    const path = join(dir, '.lock');
    await writeFile(
      path,
      JSON.stringify({ pid: 1, host: 'elsewhere', machine: 'elsewhere', started: '1', token: 'x' }),
    );
    await expect(lockRun(dir)).rejects.toThrow('process 1 on elsewhere');
    const touched = new Date(Date.now() - 61_000);
    await utimes(path, touched, touched);
    await (await lockRun(dir)).release();
  });

  it('is touched while the process computes and does nothing else', async () => {
    const dir = await workFolder();
    const lock = await lockRun(dir, 20);
    const path = join(dir, '.lock');
    const touched = () => statSync(path).mtimeMs;
    // Its thread takes a moment to start.
    const begun = touched();
    while (touched() === begun) await sleep(5);
    const before = touched();
    const end = performance.now() + 1000;
    while (performance.now() < end && touched() === before);
    expect(touched()).toBeGreaterThan(before);
    await lock.release();
  });

  it('is not held any more, and left alone, where another took it', async () => {
    const dir = await workFolder();
    const path = join(dir, '.lock');
    const lock = await lockRun(dir);
    const theirs = JSON.stringify({ ...identify(), token: 'another' });
    await writeFile(path, theirs);
    expect(lock.isHeld()).toBe(false);
    await lock.release();
    expect(await readFile(path, 'utf8')).toBe(theirs);
    await rm(path);
    expect(lock.isHeld()).toBe(false);
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
    while ((await states()).length === 0 && first.exitCode === null) await sleep(20);
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

  it('that lost its folder writes nothing more', async () => {
    const cwd = await workFolder();
    await writeRunFile(cwd, { partition: 'iid', num_clients: 4, num_rounds: 100_000, eval_every: 0 });
    const run = start(cwd, ['run', 'run.yaml']);
    const end = ended(run);
    const dir = join(cwd, 'run');
    const states = () => readdir(join(dir, 'state')).catch(() => [] as string[]);
    while (!(await states()).includes('000002.json') && run.exitCode === null) await sleep(20);
    await writeFile(join(dir, '.lock'), JSON.stringify({ ...identify(), token: 'another' }));
    const { code, stderr } = await end;
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/^RunError: Another run took .* over/m);
    expect(JSON.parse(await readFile(join(dir, '.lock'), 'utf8')).token).toBe('another');
  });

  it('leave nothing where they are refused', async () => {
    const cwd = await workFolder();
    await writeRunFile(cwd, { output_dir: 'mine' });
    const dir = join(cwd, 'mine');
    await mkdir(join(dir, 'state'), { recursive: true });
    await mkdir(join(dir, 'adapters'));
    await writeFile(join(dir, 'adapters/weights'), 'mine');
    await writeFile(join(dir, 'config.yaml'), 'num_rounds: 3\n');
    const before = (await readdir(dir, { recursive: true })).sort();
    for (const args of [
      ['run', 'run.yaml'],
      ['run', 'run.yaml', '--overwrite'],
      ['run', '--resume', 'mine'],
    ]) {
      const { code, stderr } = await fedtune(cwd, args);
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(/^RunError: Expected a .*run\.json/m);
      expect((await readdir(dir, { recursive: true })).sort()).toEqual(before);
    }
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
