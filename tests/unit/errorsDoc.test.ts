import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/errors.md'), 'utf8');
const listed = new Map(
  [...page.matchAll(/^\| `(\w+)` \| ([\w, ]+) \|/gm)].map(([, code, kinds]) => [code!, kinds!.split(', ')]),
);

/** Codes after the name of an error's class, wherever a line ends: another way to find them than that of the page's script. */
const thrown = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .flatMap((entry) => {
    const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    return [...text.matchAll(/new (\w+Error)\(\s*'([A-Z][A-Z0-9_]+)'/g)].map(([, kind, code]) => `${code} ${kind}`);
  });

describe('docs/errors.md (npm run docs:errors writes it)', () => {
  it('has every code that the sources throw, with its class', () => {
    expect(thrown.length).toBeGreaterThan(200);
    expect([...new Set(thrown)].filter((one) => !listed.get(one.split(' ')[0]!)?.includes(one.split(' ')[1]!))).toEqual(
      [],
    );
  });

  it('has no code that nothing throws', () => {
    const folders = ['src', 'native/engine', 'native/addon'];
    const texts = folders.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
    );
    expect(
      [...listed.keys()].filter(
        (code) => !texts.some((text) => text.includes(`'${code}'`) || text.includes(`"${code}"`)),
      ),
    ).toEqual([]);
  });

  it('says something of each, in whole sentences without code', () => {
    expect(page.split('\n').filter((line) => line.startsWith('| `') && /\$\{|=>|\|\s*\|$/.test(line))).toEqual([]);
  });
});
