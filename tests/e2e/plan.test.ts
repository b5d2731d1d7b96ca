import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/contracts/events.js';
import type { RunMetrics } from '../../src/contracts/metrics.js';
import type { PlannedRun } from '../../src/run/planRun.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'fedtune-planned-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function fedtune(...args: string[]) {
  const env = { ...process.env, TMPDIR: dir };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { cwd: dir, encoding: 'utf8', env });
  return { status, stdout, stderr };
}

const SMALL = [
  ...['--num-rounds', '2', '--local-epochs', '1', '--batch-size', '4', '--lora-r', '2', '--eval-every', '0'],
  ...['--max-train-examples', '12', '--max-valid-examples', '1', '--max-test-examples', '2'],
];

describe.skipIf(!existsSync(main))('fedtune plan (needs npm run build:ts)', { timeout: 200_000 }, () => {
  it.each([
    ['fedavg', []],
    ['scaffold', ['--participation', '0.5']],
    ['perfit', ['--warmup-steps', '2', '--importance-samples', '4']],
  ])('says what a run of %s then sends, steps and reads', (method, more) => {
    const args = [...SMALL, '--method', method, ...more];
    const planned = fedtune('plan', ...args, '--json');
    expect(planned.status, planned.stderr).toBe(0);
    const { estimate } = JSON.parse(planned.stdout) as PlannedRun;
    const run = fedtune('run', ...args, '--output-dir', method, '--json');
    expect(run.status, run.stderr).toBe(0);
    expect(run.stderr).toMatch(/^plan: about .* of memory, .* up and .* down$/m);
    const { traffic, tokens, clients } = JSON.parse(run.stdout) as RunMetrics;
    expect(estimate.bytes.down / traffic.bytes_down).toBeCloseTo(1, 2);
    expect(estimate.bytes.up / traffic.bytes_up).toBeCloseTo(1, 2);
    expect(estimate.owners.map(({ id, train, test }) => [id, train, test])).toEqual(
      clients.map(({ id, num_train, num_test }) => [id, num_train, num_test]),
    );
    const events = readFileSync(join(dir, method, 'events.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as RunEvent);
    const jobs = events.filter((event) => event.type === 'client');
    const ofOwner = (id: string) => estimate.owners.find((owner) => owner.id === id)!;
    for (const { client, losses } of jobs) expect(losses).toHaveLength(ofOwner(client).steps);
    // An epoch of 12 examples in batches of 4 reads every token once.
    expect(jobs.reduce((sum, { client }) => sum + ofOwner(client).tokens, 0) / tokens.train).toBeCloseTo(1, 3);
  });

  it('prints a page, and leaves nothing behind', () => {
    const before = readdirSync(dir);
    const { status, stdout } = fedtune('plan', ...SMALL);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^hollow-lane-upkeep +12 +1 +2 +3 +\d+$/m);
    expect(stdout).toMatch(/^time +about .*: training .*, scoring .*, the rest/m);
    expect(stdout).toMatch(/^memory +about .*: base 2\.1 MB, training .*, adapters .*, program and data/m);
    expect(stdout).toMatch(/^traffic +\S+ \S+ up, \S+ \S+ down$/m);
    expect(readdirSync(dir)).toEqual(before);
  });

  it('refuses what the run would refuse', () => {
    const { status, stderr } = fedtune('plan', '--num-rounds', '2', '--min-examples', '100000');
    expect(status).toBe(1);
    expect(stderr).toContain('training examples or more of every owner');
  });
});
