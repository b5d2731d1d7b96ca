import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { inPieces, writeAtomic } from '../../src/files.js';
import { fedtune, makeWorkFolder, outcomeOf, workFolder, writeRunFile } from './cli.js';

const SETTINGS = { method: 'fedavg', partition: 'iid', num_clients: 4 };

const mount = (...args: string[]): void => {
  execFileSync('mount', args, { stdio: 'pipe' });
};

/** A disk in memory of so many kilobytes at `dir`; gone with the test. */
function mountDisk(dir: string, kilobytes: number): void {
  mount('-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', dir);
  onTestFinished(() => {
    execFileSync('umount', ['-l', dir]);
  });
}

async function canMount(): Promise<boolean> {
  const dir = await makeWorkFolder();
  try {
    mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir);
    execFileSync('umount', [dir]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** What a folder takes on a disk whose blocks have 4 kB, as those in memory. */
async function kilobytesOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(
    entries.map(async (entry) =>
      entry.isFile() ? 4 * Math.ceil((await stat(join(entry.parentPath, entry.name))).size / 4096) : 0,
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

const mounts = await canMount();
const title = mounts ? 'a disk' : 'a disk (skipped: mounting one takes root on Linux)';

it.skipIf(!mounts).each<[string, () => Iterable<string | Uint8Array>]>([
  ['lines', () => inPieces(Array.from({ length: 3000 }, (_, i) => `${i} ${'x'.repeat(50)}\n`))],
  ['one block', () => [new Uint8Array(150_000)]],
])(`${title} that fills up in the middle of %s keeps the file before`, async (_, content) => {
  const dir = await workFolder();
  mountDisk(dir, 100);
  const path = join(dir, 'rows.jsonl');
  await writeAtomic(path, 'before\n');
  await expect(writeAtomic(path, content())).rejects.toMatchObject({ code: 'WRITE_FAILED' });
  expect(await readdir(dir)).toEqual(['rows.jsonl']);
  expect(await readFile(path, 'utf8')).toBe('before\n');
});

describe.skipIf(!mounts)(title, () => {
  let finished: string;

  beforeAll(async () => {
    finished = await makeWorkFolder();
    await writeRunFile(finished, SETTINGS);
    const { code, stderr } = await fedtune(finished, ['run', 'run.yaml']);
    expect(code, stderr).toBe(0);
    return () => rm(finished, { recursive: true, force: true });
  });

  it.each([
    ['40 kB: before any owner has its rows', 40],
    ['400 kB: before all owners have', 400],
    ['two thirds of the run', 2 / 3],
    ['four fifths of the run', 4 / 5],
    ['all but a twentieth of the run', 0.95],
  ])('that is full after %s stops the run, which goes on when there is room', async (_, size) => {
    const cwd = await workFolder();
    await writeRunFile(cwd, SETTINGS);
    const run = join(cwd, 'run');
    await mkdir(run);
    mountDisk(run, size < 1 ? Math.ceil(size * (await kilobytesOf(join(finished, 'run')))) : size);
    const full = await fedtune(cwd, ['run', 'run.yaml']);
    expect(full.code, full.stderr).toBe(1);
    expect(full.stderr).toMatch(/^RunError: .*Cannot write .*: the disk is full\./m);
    const left = await readdir(run, { recursive: true });
    const begun = left.includes('config.yaml');
    expect(left.filter((name) => name.endsWith('.tmp') || name === 'metrics.json')).toEqual([]);
    if (!begun) expect(left).toEqual([]);
    mount('-o', 'remount,size=64m', run);
    const { code, stderr } = await fedtune(cwd, begun ? ['run', '--resume', 'run'] : ['run', 'run.yaml']);
    expect(code, stderr).toBe(0);
    expect(await outcomeOf(cwd)).toEqual(await outcomeOf(finished));
  });

  it('that is read-only is told of, and what is there stays', async () => {
    const cwd = await workFolder();
    await writeRunFile(cwd, SETTINGS);
    await mkdir(join(cwd, 'run'));
    mountDisk(join(cwd, 'run'), 64_000);
    await cp(join(finished, 'run'), join(cwd, 'run'), { recursive: true });
    mount('-o', 'remount,ro', join(cwd, 'run'));
    for (const args of [
      ['run', 'run.yaml', '--overwrite'],
      ['run', '--resume', 'run'],
      ['run', 'run.yaml', '--output-dir', 'run/new'],
      ['export', 'run', '--client', 'global', '--format', 'peft', '--out', 'run/out'],
      ['export', 'run', '--client', 'global', '--format', 'gguf', '--out', 'run/adapters/global'],
    ]) {
      const { code, stderr } = await fedtune(cwd, args);
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(/^RunError: Cannot write .*: .*the file system is read-only\./m);
    }
    expect(await outcomeOf(cwd)).toEqual(await outcomeOf(finished));
  });

  it.each(['peft', 'gguf'])('that is full keeps the old %s export', async (format) => {
    const cwd = await workFolder();
    const out = join(cwd, 'out');
    await mkdir(out);
    mountDisk(out, 4000);
    const args = ['export', join(finished, 'run'), '--client', 'global', '--format', format, '--out', out];
    const whole = await fedtune(cwd, args);
    expect(whole.code, whole.stderr).toBe(0);
    const content = async () =>
      Promise.all(
        (await readdir(out)).sort().map(async (name) => [name, (await readFile(join(out, name))).toString('hex')]),
      );
    const before = await content();
    const { blocks, bfree, bsize } = await statfs(out);
    mount('-o', `remount,size=${(blocks - bfree) * bsize}`, out);
    const full = await fedtune(cwd, args);
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/^RunError: Cannot write .*: the disk is full\./m);
    expect(await content()).toEqual(before);
  });
});
