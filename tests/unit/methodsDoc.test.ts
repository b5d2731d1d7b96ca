import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { federationKeys } from '../../src/config/keys/federation.js';
import { methodKeys } from '../../src/config/keys/method.js';
import { parseConfig } from '../../src/config/parse.js';
import { CONFIG_KEYS, type ConfigKey } from '../../src/config/schema.js';
import { METHODS, methodsWith } from '../../src/methods/index.js';

/** Benchmarks are plain JavaScript without types. */
const { withMeasured } = await import(new URL('../../benchmarks/lib/methodsDoc.mjs', import.meta.url).href);

const measured = new URL('../../benchmarks/results/methods.json', import.meta.url);
const page = readFileSync(new URL('../../docs/methods.md', import.meta.url), 'utf8');
const defaults = parseConfig({});

/** Option tables: a key in the first column, its default in the second. */
const rows = [...page.matchAll(/^\| `([a-z_0-9]+)` +\| ([^|]*?) +\|/gm)].filter(([, key]) =>
  (CONFIG_KEYS as readonly string[]).includes(key!),
);
const shown = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/** Keys of the federation that say how long it goes on and how data is divided, not how methods work. */
const ELSEWHERE = [
  'partition',
  'num_clients',
  'dirichlet_alpha',
  'shards_per_client',
  'quantity_alpha',
  'categories_per_client',
  'client_sizes',
  'partition_column',
  'min_examples',
  'on_small_owner',
  'num_rounds',
  'eval_every',
];

describe('docs/methods.md', () => {
  it.each(METHODS)('has a section on %s', (method) => {
    expect(page).toMatch(new RegExp(`^### \`${method}\`$`, 'm'));
    expect(page).toContain(`(#${method})`);
  });

  it.each(METHODS)('has a table of what %s cost and gave', (method) => {
    const section = page.split(/^##+ /m).find((part) => part.startsWith(`\`${method}\`\n`));
    expect(section).toMatch(new RegExp(`<!-- measured: [^>]*\\b${method}\\b[^>]* -->`));
  });

  it('gives the figures that the sweep wrote', () => {
    const parts = existsSync(measured) ? JSON.parse(readFileSync(measured, 'utf8')).parts : [];
    expect(withMeasured(page, parts)).toBe(page);
  });

  it.each([...Object.keys(methodKeys), ...Object.keys(federationKeys).filter((key) => !ELSEWHERE.includes(key))])(
    'has %s in a table of options',
    (key) => {
      expect(rows.map(([, name]) => name)).toContain(key);
    },
  );

  it('gives the defaults that the run file has', () => {
    for (const [, key, value] of rows) expect(`${key} ${value}`).toBe(`${key} ${shown(defaults[key as ConfigKey])}`);
  });

  it('names every value that an option can take', () => {
    const code = [...page.matchAll(/`([^`\n]+)`/g)].flatMap(([, text]) => text!.split(/[^\w-]+/));
    const missing = Object.entries({ ...methodKeys, ...federationKeys })
      .filter(([key]) => !ELSEWHERE.includes(key))
      .flatMap(([, type]) => (type.unwrap() as unknown as { options?: readonly unknown[] }).options ?? [])
      .filter((option) => typeof option === 'string' && !code.includes(option));
    expect(missing).toEqual([]);
  });

  it.each([
    ['averages factors from one round to the next', methodsWith('mutable')],
    ['stand in for the weighted mean', methodsWith('robust')],
    ['Late and asynchronous updates work with', methodsWith('rebasable')],
    ['Moments can be kept by', methodsWith('aligned')],
  ])('names exactly the methods of: %s', (start, methods) => {
    const after = page.slice(page.indexOf(start) + start.length);
    const sentence = after.slice(0, after.search(/[.;](\s|$)|, whose/));
    const named = [...sentence.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
    expect(named.sort()).toEqual([...methods].sort());
  });

  it('links to headings that are there', () => {
    const anchors = [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading!.toLowerCase().replace(/[`:,]/g, '').replaceAll(' ', '-'),
    );
    for (const [, anchor] of page.matchAll(/\(#([a-z-]+)\)/g)) expect(anchors).toContain(anchor);
  });
});
