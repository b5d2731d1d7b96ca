import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, RESULTS } from './paths.mjs';

function replaceFile(path, text) {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/**
 * A result as JSON and Markdown that grows part by part: each part is written as soon as it is measured, and measuring one again
 * replaces only that. Shortened runs (`quick`) lie in benchmarks/.cache, never among the results.
 */
export function resultFile(name, { quick, empty, render }) {
  const folder = quick ? join(CACHE, 'quick') : RESULTS;
  const path = join(folder, `${name}.json`);
  mkdirSync(folder, { recursive: true });
  const content = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : empty;
  return {
    content,
    markdown: join(folder, `${name}.md`),
    save() {
      replaceFile(path, `${JSON.stringify(content, null, 1)}\n`);
      replaceFile(join(folder, `${name}.md`), render(content));
    },
  };
}
