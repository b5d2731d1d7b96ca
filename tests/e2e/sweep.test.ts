import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'fedtune-sweep-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** What a quick sweep says on its way. */
function sweep(...more: string[]): string {
  const args = [
    'benchmarks/methods.mjs',
    '--quick',
    '--part',
    'embedded',
    '--methods',
    'local,fedavg+finetune',
    '--out',
    out,
  ];
  return execFileSync('bash', ['-c', '"$0" "$@" 2>&1', process.execPath, ...args, ...more], {
    cwd: root,
    encoding: 'utf8',
  });
}

const cells = (said: string) => said.split('\n').filter((line) => / {2}(tune|test) {2}seed /.test(line));

it('sweeps, says how long before it starts, and runs no cell twice', () => {
  const first = sweep();
  const estimate = first.search(/embedded: (at most \d+ cells, about [\d hmins]+ at \d+ tokens\/s|nothing is missing)/);
  expect(estimate).toBeGreaterThanOrEqual(0);
  for (const line of cells(first)) expect(first.indexOf(line)).toBeGreaterThan(estimate);
  const table = readFileSync(join(out, 'methods-quick.md'), 'utf8');
  expect(table).toMatch(/\| local \| local \| [\d.]+ \|/);
  expect(table).toMatch(/\| fedavg\+finetune \| local \| [+−][\d.]+ % .* \| this run \|/);

  expect(cells(sweep())).toEqual([]);
  expect(readFileSync(join(out, 'methods-quick.md'), 'utf8')).toBe(table);
  // Cells of another budget are others, and a report runs none.
  expect(sweep('--estimate', '--steps', '2')).toContain('at most');
  expect(cells(sweep('--report', '--steps', '2'))).toEqual([]);
  expect(readFileSync(join(out, 'methods-quick.md'), 'utf8')).toBe(table);
});

it('sweeps any folder of owners', () => {
  const data = [
    '--part',
    'natural',
    '--model',
    'embedded',
    '--data',
    join(root, 'datasets', 'owners'),
    '--owners',
    '2',
  ];
  sweep(...data);
  expect(readFileSync(join(out, 'methods-quick.md'), 'utf8')).toMatch(
    /## natural[\s\S]* 2 owners with 8 training, 2 validation and 3 test examples each/,
  );
});
