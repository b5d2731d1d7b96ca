import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { ProgressDisplay } from '../../../src/report/progress.js';
import { ProgressFile, readProgress } from '../../../src/report/progressFile.js';
import { RunStatus } from '../../../src/report/status.js';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-progress-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A status in the middle of round 2 of 4, on a clock of its own. */
function busy() {
  let now = 0;
  const status = new RunStatus(() => now);
  const config = parseConfig({ num_rounds: 4 });
  status.update({ kind: 'prepared', config } as Parameters<RunStatus['update']>[0]);
  status.update({ kind: 'round', round: 2, numRounds: 4, jobs: 4 });
  now = 2;
  const job = { kind: 'job', round: 2, client: 'east', tokens: 300, search: 0, seconds: 1, loss: 2.5 } as const;
  status.update(job);
  const macro = { global: { nll: 2, ppl: 7.389 } };
  status.update({ kind: 'evaluated', evaluation: { round: 1, split: 'valid', macro, micro: macro } as never });
  status.update({ kind: 'working', owners: [{ client: 'north', steps: 3, of: 12 }] });
  return status;
}

it('what a run is at is read back as it is, and goes with it', async () => {
  const dir = folder();
  expect(await readProgress(dir)).toBeUndefined();
  const status = busy();
  const file = new ProgressFile(dir, status);
  file.write();
  const now = await readProgress(dir);
  expect(now).toEqual(status.now);
  expect(now).toMatchObject({
    where: 'round 2 of 4',
    share: 0.3125,
    facts: ['1 of 4 owners', '150 tokens/s', 'loss 2.500'],
    scored: 'round 1 of 4: valid perplexity: global 7.389',
  });
  const { mtimeNs } = statSync(join(dir, 'progress.json'), { bigint: true });
  file.write();
  expect(statSync(join(dir, 'progress.json'), { bigint: true }).mtimeNs).toBe(mtimeNs);
  status.update({ kind: 'working', owners: [] });
  file.write();
  expect((await readProgress(dir))!.atWork).toEqual([]);
  expect(readdirSync(dir)).toEqual(['progress.json']);
  file.remove();
  expect(readdirSync(dir)).toEqual([]);
});

it('one that is damaged is refused by name', async () => {
  const dir = folder();
  new ProgressFile(dir, busy()).write();
  const path = join(dir, 'progress.json');
  const text = readFileSync(path, 'utf8');
  for (const bad of [text.slice(0, 40), '{}', text.replace('0.3125', '"x"')]) {
    writeFileSync(path, bad);
    await expect(readProgress(dir)).rejects.toMatchObject({ code: 'DAMAGED' });
  }
});

it('the display of who follows shows what that of the run shows', () => {
  const { now } = busy();
  let log = '';
  const display = new ProgressDisplay({ write: (text) => (log += text) }, () => 0);
  display.show(now);
  display.show(now);
  display.show({ ...now, scored: 'round 2 of 4: valid perplexity: global 7.000' });
  expect(log).toBe('round 1 of 4: valid perplexity: global 7.389\nround 2 of 4: valid perplexity: global 7.000\n');
});
