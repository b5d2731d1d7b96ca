import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withAbsolutePaths } from '../../../src/client/paths.js';
import { parseConfig } from '../../../src/config/parse.js';

it('files get absolute paths, names stay names', () => {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-paths-'));
  try {
    for (const name of ['mine.jinja', 'alpaca', 'embedded']) writeFileSync(join(dir, name), '');
    const paths = (settings: object) => {
      const { model, template, strategy } = withAbsolutePaths(parseConfig(settings), dir);
      return [model, template, strategy];
    };
    expect(paths({})).toEqual(['embedded', 'auto', null]);
    expect(paths({ model: 'a/b.gguf', template: 'mine.jinja', strategy: './s.mjs' })).toEqual([
      join(dir, 'a/b.gguf'),
      join(dir, 'mine.jinja'),
      join(dir, 's.mjs'),
    ]);
    expect(paths({ model: 'hf:a/b', template: 'alpaca' })).toEqual(['hf:a/b', 'alpaca', null]);
    // What cannot be found is named as it was given, by the error that says so.
    expect(paths({ template: 'none.jinja' })[1]).toBe('none.jinja');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
