import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runConfigSchema } from '../../src/config/schema.js';
import { COLUMN_NAMES } from '../../src/data/columns.js';
import { DATA_FORMATS, TEMPLATE_IDS } from '../../src/data/index.js';
import { CALLING, CONTENT_KEYS, ROLE_KEYS, ROLES, WEIGHT_KEYS } from '../../src/data/messages.js';
import { DATA_EXTENSIONS } from '../../src/data/rows/index.js';
import { SPLIT_WORDS } from '../../src/data/splits.js';
import { PARTITIONERS } from '../../src/partition/index.js';

const page = readFileSync(new URL('../../docs/data.md', import.meta.url), 'utf8');

/** Rows of the table whose first column has that head. */
function table(head: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${head} `));
  if (start < 0) throw new Error(`docs/data.md has no table of ${head}`);
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
const code = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
const first = (head: string) => table(head).flatMap(([cell]) => code(cell!));

describe('docs/data.md', () => {
  it('lists the files that are read', () => {
    expect(first('extension').sort()).toEqual([...DATA_EXTENSIONS].sort());
  });

  it('lists the columns that are known', () => {
    const listed = table('field').map(([field, names]) => [code(field!)[0], code(names!)]);
    expect(Object.fromEntries(listed)).toEqual(COLUMN_NAMES);
    for (const format of ['auto', ...DATA_FORMATS]) expect(page).toContain(`\`${format}\``);
  });

  it('lists the roles and keys of messages', () => {
    const listed = Object.fromEntries(table('role').map(([role, names]) => [role, code(names!)]));
    const { 'a call': calls, ...roles } = listed;
    expect(roles).toEqual(
      Object.fromEntries(
        Object.keys(roles).map((role) => [role, Object.keys(ROLES).filter((name) => ROLES[name] === role)]),
      ),
    );
    expect(Object.values(roles).flat().sort()).toEqual(Object.keys(ROLES).sort());
    expect(calls).toEqual(CALLING);
    const prose = code(page.slice(page.indexOf('## Conversations'), page.indexOf('## Owners')));
    for (const key of [...ROLE_KEYS, ...CONTENT_KEYS, ...WEIGHT_KEYS]) expect(prose).toContain(key);
  });

  it('lists the words of splits, the partitions and the templates', () => {
    expect(Object.fromEntries(table('split').map(([split, words]) => [code(split!)[0], code(words!)]))).toEqual(
      SPLIT_WORDS,
    );
    expect(first('`partition`')).toEqual(Object.keys(PARTITIONERS));
    expect(first('`template`')).toEqual(TEMPLATE_IDS);
  });

  it('names keys of the run file with their defaults', () => {
    const defaults: Record<string, unknown> = runConfigSchema.parse({});
    for (const [key, value] of table('key'))
      expect(`${code(key!)[0]}: ${value}`).toBe(`${code(key!)[0]}: ${defaults[code(key!)[0]!]}`);
    const named = code(page).filter((name) => /^[a-z]+(_[a-z]+)+$/.test(name));
    const others = new Set([
      ...Object.values(COLUMN_NAMES).flat(),
      ...Object.keys(ROLES),
      ...CALLING,
      'prompt_input',
      'prompt_no_input',
      'shift_jis',
    ]);
    for (const name of named.filter((one) => !others.has(one))) expect(Object.keys(defaults), name).toContain(name);
  });
});
