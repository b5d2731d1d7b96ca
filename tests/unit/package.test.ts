import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

const textsOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs|txt)$/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));

describe('package.json', () => {
  it('asks for no dependency that nothing uses', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const texts = ['src', 'scripts', 'native'].flatMap(textsOf);
    const used = (name: string) => texts.some((text) => text.includes(`'${name}'`) || text.includes(`'${name}/`));
    expect(Object.keys(dependencies).filter((name) => !used(name))).toEqual([]);
  });
});
