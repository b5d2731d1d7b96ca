import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeFolder, makeFolderSync } from '../../src/files.js';

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-files-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

describe('makeFolder', () => {
  it('makes a folder and those above it, and says which was the first', async () => {
    const dir = temporary();
    mkdirSync(join(dir, 'a b'));
    expect(await makeFolder(relative(process.cwd(), join(dir, 'a b/ü/c')))).toBe(join(dir, 'a b/ü'));
    expect(existsSync(join(dir, 'a b/ü/c'))).toBe(true);
    expect(await makeFolder(join(dir, 'a b/ü/c'))).toBeUndefined();
    expect(await Promise.all([1, 2].map(() => makeFolder(join(dir, 'x/y'))))).toContain(join(dir, 'x'));
    makeFolderSync(join(dir, 'p/q'));
    makeFolderSync(join(dir, 'p/q'));
    expect(existsSync(join(dir, 'p/q'))).toBe(true);
  });

  it('refuses a path through a file', async () => {
    const file = join(temporary(), 'file');
    writeFileSync(file, '');
    for (const path of [file, join(file, 'x'), join(file, 'x/y')]) {
      await expect(makeFolder(path)).rejects.toMatchObject({ code: 'WRITE_FAILED' });
      expect(() => makeFolderSync(path)).toThrow('Cannot write');
    }
  });

  it.skipIf(!existsSync('/proc/self'))('ends where a file system takes no folders, and says so', async () => {
    for (const path of ['/proc/fedtune', '/proc/fedtune/runs/first']) {
      await expect(makeFolder(path)).rejects.toMatchObject({ code: 'WRITE_FAILED' });
      expect(() => makeFolderSync(path)).toThrow('Cannot write');
    }
  });
});
