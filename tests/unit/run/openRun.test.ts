import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { dumpConfig } from '../../../src/config/dump.js';
import { parseConfig } from '../../../src/config/parse.js';
import { openRun } from '../../../src/run/openRun.js';

function runOf(clients: readonly { readonly id: string; readonly folder: string }[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-open-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'config.yaml'), dumpConfig(parseConfig({})));
  writeFileSync(join(dir, 'partition.json'), JSON.stringify({ version: 1, clients }));
  return dir;
}

it('a run gives the adapters of its owners and the shared one', async () => {
  const dir = runOf([{ id: 'A/S Nord', folder: 'a-s-nord-1234' }]);
  const run = await openRun(dir);
  expect(run.folderOf('A/S Nord')).toBe(join(dir, 'adapters/a-s-nord-1234'));
  expect(run.folderOf('global')).toBe(join(dir, 'adapters/global'));
});

it('a run never gives the shared adapter for that of an owner called global', async () => {
  const dir = runOf([
    { id: 'global', folder: 'global-1234' },
    { id: 'north', folder: 'north' },
  ]);
  const run = await openRun(dir);
  expect(() => run.folderOf('global')).toThrow(
    `"global" is the shared adapter, ${join(dir, 'adapters/global')}, but this run also has an owner of that name, ` +
      `whose adapter is ${join(dir, 'adapters/global-1234')}.`,
  );
  expect(run.folderOf('north')).toBe(join(dir, 'adapters/north'));
});

it('a run of many owners names some of them where it has no such one', async () => {
  const run = await openRun(runOf(Array.from({ length: 1000 }, (_, i) => ({ id: `owner ${i}`, folder: `${i}` }))));
  expect(() => run.folderOf('nobody')).toThrow(
    /^Expected "global" \(the shared adapter\) or one of .*owner 19, and 980 more\) but received "nobody"\.$/,
  );
});
