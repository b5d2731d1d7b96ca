import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fedtune, workFolder } from './cli.js';

/** Rounds of a short run and of a long one; `npm run test:memory` takes those of the aim, 20 and 200. */
const [SHORT, LONG] = (process.env.FEDTUNE_MEMORY_ROUNDS ?? '12,48').split(',').map(Number) as [number, number];

/** What the long run may take beyond the short one. */
const MOST = 1.1;

async function peakOf(rounds: number): Promise<number> {
  const dir = await workFolder();
  // Updates of 1.6 MB from each of eight owners: a link that kept them would hold 12 MB more after every round.
  const settings = [`num_rounds=${rounds}`, 'local_steps=1', 'eval_every=0', 'lora_r=16', 'workers=2'];
  const ended = await fedtune(dir, [
    'run',
    '--output-dir',
    'run',
    ...settings.flatMap((setting) => ['--set', setting]),
  ]);
  expect(ended.code, ended.stderr).toBe(0);
  const { timing } = JSON.parse(await readFile(join(dir, 'run', 'metrics.json'), 'utf8'));
  return timing.peak_rss_bytes;
}

describe('memory over rounds', () => {
  it(`at round ${LONG} is what it was at round ${SHORT}`, async () => {
    const before = await peakOf(SHORT);
    const after = await peakOf(LONG);
    console.log(
      `peak ${(before / 2 ** 20).toFixed(0)} MiB at ${SHORT} rounds, ${(after / 2 ** 20).toFixed(0)} at ${LONG}`,
    );
    expect(after).toBeLessThan(MOST * before);
  });
});
