import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ownerFolders } from '../../../src/partition/folders.js';
import fc from '../../support/properties.js';

const foldersOf = (...ids: string[]): string[] => [...ownerFolders(ids).values()];

describe('folders of owners', () => {
  it('keep ids that are folder names', () => {
    const ids = ['castle-street-keys', 'client-07', 'open_qa', 'Ärzte', '北京', 'x', 'a'.repeat(64)];
    expect(foldersOf(...ids)).toEqual(ids);
  });

  it.each([
    'a/b',
    'a\\b',
    '..',
    '.',
    '../../etc/passwd',
    '.hidden',
    'v1.2',
    'trailing.',
    'trailing ',
    ' ',
    '',
    'con',
    'NUL',
    'com1',
    'LPT9',
    'aux',
    'global',
    'Global',
    'a:b',
    'a*?<>|"b',
    'line\nbreak',
    'nul\0byte',
    'x'.repeat(65),
    'é'.normalize('NFD'),
    '🙂',
    '-',
  ])('%j gets a safe name', (id) => {
    const [folder] = foldersOf(id);
    expect(folder).not.toBe(id);
    expect(folder).toMatch(/^[\p{L}\p{N}_-]{1,64}$/u);
    expect(folder!.toLowerCase()).not.toBe('global');
    expect(folder).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)$/i);
  });

  it('differ where a file system ignores case or the form of letters', () => {
    for (const ids of [
      ['north', 'North', 'NORTH'],
      ['a/b', 'a\\b', 'a-b', 'a.b'],
      ['x'.repeat(65), 'x'.repeat(66)],
      ['é'.normalize('NFC'), 'é'.normalize('NFD')],
    ]) {
      const names = foldersOf(...ids).map((name) => name.normalize('NFC').toLowerCase());
      expect(new Set(names).size, ids.join(' ')).toBe(ids.length);
    }
  });

  it('depend on the ids, not on their order (but for who keeps a name that two would have)', () => {
    const ids = ['b/c', 'a', 'b-c', '..', 'x'.repeat(99)];
    const folders = ownerFolders(ids);
    for (const [id, folder] of ownerFolders([...ids].sort())) expect(folders.get(id)).toBe(folder);
  });

  it('can be made on this file system, one each, inside the run', () => {
    const id = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('..', 'a/../..', 'con', 'CON', 'global', 'ß', 'SS', 'ss', 'İ', 'i̇', 'ſ', 's', 'K', 'k'),
    );
    const dir = mkdtempSync(join(tmpdir(), 'fedtune-owners-'));
    try {
      fc.assert(
        fc.property(fc.uniqueArray(id, { minLength: 1, maxLength: 12 }), (ids) => {
          const run = mkdtempSync(join(dir, 'run-'));
          const folders = ownerFolders(ids);
          expect(folders.size).toBe(ids.length);
          for (const name of folders.values()) {
            const path = join(run, name);
            expect(relative(run, path).split(sep)).toEqual([name]);
            mkdirSync(path);
          }
          const lower = [...folders.values()].map((name) => name.toLowerCase());
          expect(new Set(lower).size).toBe(ids.length);
          expect(readdirSync(run)).toHaveLength(ids.length);
        }),
        { numRuns: 40 },
      );
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
