import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { sha256 } from '../../src/sha256.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'fedtune-sweep-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** What a quick sweep over two owners of a folder says on its way. */
function sweep(...more: string[]): string {
  const natural = [
    '--part',
    'natural',
    '--model',
    'embedded',
    '--data',
    join(root, 'datasets', 'owners'),
    '--owners',
    '2',
  ];
  const args = ['benchmarks/methods.mjs', '--quick', ...natural, '--methods', 'local,fedavg+finetune', '--out', out];
  const command = ['-c', '"$0" "$@" 2>&1', process.execPath, ...args, ...more];
  return execFileSync('bash', command, { cwd: root, encoding: 'utf8' });
}

const cells = (said: string) => said.split('\n').filter((line) => / {2}(tune|test) {2}seed /.test(line));

it('sweeps, says how long before it starts, and runs no cell twice', { timeout: 600_000 }, () => {
  const first = sweep();
  const estimate = first.search(/natural: (at most \d+ cells, about [\d hmins]+ at \d+ tokens\/s|nothing is missing)/);
  expect(estimate).toBeGreaterThanOrEqual(0);
  for (const line of cells(first)) expect(first.indexOf(line)).toBeGreaterThan(estimate);
  const table = readFileSync(join(out, 'methods-quick.md'), 'utf8');
  expect(table).toContain(' 2 owners with 8 training, 2 validation and 3 test examples each');
  expect(table).toMatch(/\| local \| local \| [\d.]+ \|/);
  expect(table).toMatch(/\| fedavg\+finetune \| local \| [+−][\d.]+ % .* \| this run \|/);

  const second = sweep();
  expect(cells(second)).toEqual([]);
  expect(second).toContain('nothing is missing');
  expect(readFileSync(join(out, 'methods-quick.md'), 'utf8')).toBe(table);
  // Cells of another budget are others, and a report runs none.
  expect(cells(sweep('--report', '--steps', '2'))).toEqual([]);
  expect(readFileSync(join(out, 'methods-quick.md'), 'utf8')).toBe(table);
});

it('scores the base once for all rows', async () => {
  const load = (name: string) => import(new URL(`../../benchmarks/lib/${name}`, import.meta.url).href);
  const { runConfig } = await load('methodsCells.mjs');
  const { rememberScores } = await load('methodsBase.mjs');
  const caps = { max_train_examples: 2, max_valid_examples: 1, max_test_examples: 1 };
  const config = { method: 'local', num_rounds: 1, local_steps: 1, batch_size: 1, seed: 5, eval_every: 0, ...caps };
  const part = { name: 'once' };
  const { dir, metrics } = await runConfig(part, config, {});
  const again = await runConfig(part, { ...config, method: 'fedavg' }, {});
  expect(again.metrics.macro.base).toEqual(metrics.macro.base);

  // Scores that no base gives are believed where they stand for the same examples, and only there.
  for (const owner of readdirSync(join(dir, 'owners'))) {
    const file = join(dir, 'owners', owner, 'scored');
    const content = JSON.parse(readFileSync(file, 'utf8').split('\n')[1]!);
    for (const entry of content.splits.test) if (entry[0] === 'base') entry[1] = entry[1].map(() => 0);
    const body = JSON.stringify(content);
    writeFileSync(file, `${sha256(body)}\n${body}`);
  }
  rememberScores(dir, JSON.stringify(['once', 5, 2, 1, 1]));
  rememberScores(dir, JSON.stringify(['once', 6, 2, 1, 1]));
  const told = await runConfig(part, config, {});
  expect(told.metrics.macro.base.ppl).toBe(1);
  const other = await runConfig(part, { ...config, seed: 6 }, {});
  expect(other.metrics.macro.base.ppl).toBeGreaterThan(1);
  rmSync(dir, { recursive: true, force: true });
});
