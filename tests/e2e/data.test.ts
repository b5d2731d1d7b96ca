import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import type { RunProgress } from '../../src/contracts/progress.js';

// Owners live in threads, which run what was compiled.
const { runFederation }: typeof import('../../src/run/runFederation.js') = await import(
  new URL('../../dist/run/runFederation.js', import.meta.url).href
);

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fedtune-owners-'));
  mkdirSync(join(dir, 'data'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const row = (i: number) => JSON.stringify({ instruction: `Question ${i}?`, output: `Answer ${i}.`, id: i });
function give(owner: string, rows: number, more = ''): void {
  const text = Array.from({ length: rows }, (_, i) => `${row(i)}\n`).join('');
  writeFileSync(join(dir, 'data', `${owner}.jsonl`), text + more);
}

async function run(settings: object, resume = false) {
  const prepared: Extract<RunProgress, { kind: 'prepared' }>[] = [];
  const config = parseConfig({
    data: join(dir, 'data'),
    output_dir: join(dir, 'run'),
    num_rounds: 1,
    local_steps: 1,
    lora_r: 1,
    workers: 1,
    ...settings,
  });
  const onProgress = (progress: RunProgress) => {
    if (progress.kind === 'prepared') prepared.push(progress);
  };
  const result = await runFederation({ config, resume, onProgress });
  return { ...result, prepared: prepared[0]! };
}

describe('an owner with too few examples', () => {
  beforeEach(() => {
    give('north', 20);
    give('south', 20, 'broken\n');
    give('west', 1);
  });

  it('stops the run, named, with what can be done', async () => {
    await expect(run({})).rejects.toMatchObject({
      name: 'DataError',
      code: 'TOO_FEW_EXAMPLES',
      message: expect.stringMatching(/west \(1\).*on_small_owner: drop/),
    });
    expect(existsSync(join(dir, 'run', 'config.yaml'))).toBe(false);
  });

  it('stays out of it where the run file says so, and is named; the run goes on from its folder', async () => {
    const settings = { on_small_owner: 'drop', method: 'hetlora', rank_per_client: [1, 2, 3] };
    const { metrics, prepared } = await run(settings);
    expect(metrics.clients.map(({ id }) => id)).toEqual(['north', 'south']);
    expect(prepared).toMatchObject({ owners: 2, leftOut: ['west'] });
    const record = JSON.parse(readFileSync(join(dir, 'run', 'partition.json'), 'utf8'));
    expect(record).toMatchObject({
      left_out: [{ id: 'west', train: 1 }],
      reading: { bad: 1, unusedColumns: { id: 41 } },
    });
    expect(existsSync(join(dir, 'run', 'owners', 'west'))).toBe(false);
    const again = await run({ ...settings, num_rounds: 2 }, true);
    expect(again.metrics.clients.map(({ id }) => id)).toEqual(['north', 'south']);
  });

  it('is not left out where all are small', async () => {
    await expect(run({ on_small_owner: 'drop', min_examples: 30 })).rejects.toMatchObject({ code: 'TOO_FEW_EXAMPLES' });
  });
});

describe('before training', () => {
  it('says what was read and cut, and shows the first example with its targets marked', async () => {
    give('north', 20, `${JSON.stringify({ instruction: 'Long?', output: 'word '.repeat(200) })}\n`);
    give('south', 20, 'broken\n');
    const { prepared } = await run({ seq_length: 64 });
    expect(prepared.reading).toEqual([
      '1 row of 42 could not be used',
      expect.stringMatching(/^ {2}south\.jsonl:21: no valid JSON/),
      'unused columns: id',
    ]);
    expect(prepared.cut).toBe(1);
    // Of all splits: what is missing beside the same rows uncut.
    const used = (folder: string): number =>
      JSON.parse(readFileSync(join(dir, folder, 'partition.json'), 'utf8')).clients.reduce(
        (sum: number, { targets_used }: { targets_used: number }) => sum + targets_used,
        0,
      );
    await run({ seq_length: 2048, output_dir: join(dir, 'whole') });
    expect(prepared.shareLost).toBeCloseTo(1 - used('run') / used('whole'), 12);
    expect(prepared.firstExample).toMatch(/### Instruction\nQuestion 0\?\n### Response\n\[\[Answer 0\..*\]\]$/);
    // On the screen alone: the server keeps no row.
    const kept = ['partition.json', 'events.jsonl', 'metrics.json', 'config.yaml'];
    for (const name of kept) expect(readFileSync(join(dir, 'run', name), 'utf8'), name).not.toContain('Answer 0.');
  });
});
