import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import { TINY_RUN } from '../support/tinyRun.js';
import { CHROMIUM, expectAccessible, LOOKS, useBrowser } from './chromium.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** A run with a part for every section of the page: masks, mutants, devices, drop-outs, late updates, tuning. */
const SETTINGS = {
  ...TINY_RUN,
  method: 'perfit',
  mutation: 'fedqp',
  also_local: true,
  finetune_steps: 1,
  num_rounds: 12,
  eval_every: 1,
  dropout_rate: 0.2,
  deadline: 2,
  late: 'discount',
  devices: [
    { name: 'phone & co', tokens_per_second: 200, share: 1 },
    { name: 'server', tokens_per_second: 50_000, share: 3 },
  ],
  output_dir: 'run',
};

/** A program in the place of the browser, that notes what it is to open. */
async function begin(dir: string) {
  const noted = join(dir, 'opened');
  const browser = join(dir, 'browser.sh');
  await writeFile(browser, `#!/bin/sh\nprintf %s "$1" > '${noted}'\n`);
  await chmod(browser, 0o755);
  await writeFile(join(dir, 'run.yaml'), stringify(SETTINGS));
  // Without a display xdg-open asks BROWSER at once.
  const env = { ...process.env, BROWSER: browser, DISPLAY: '' };
  const child = spawn(process.execPath, [MAIN, 'run', 'run.yaml', '--open'], { cwd: dir, env });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const url = await vi.waitFor(() => readFile(noted, 'utf8'), { timeout: 60_000, interval: 50 });
  return { url, said: () => said, ended: once(child, 'close') };
}

describe.skipIf(CHROMIUM === undefined || !existsSync(MAIN))('fedtune run --open (Chromium, npm run build:ts)', () => {
  const open = useBrowser();

  it('shows a run as it goes on, to its end', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'fedtune-open-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const { url, said, ended } = await begin(dir);
    expect(said()).toContain(`live report, on this machine alone: ${url}\n`);
    const { page, faults } = await open(LOOKS.dark);
    await page.goto(url);
    const rounds: string[] = [];
    const bar: string[] = [];
    const look = async () => {
      rounds.push((await page.locator('.tile', { hasText: 'rounds' }).textContent())!);
      bar.push((await page.locator('#live').textContent())!);
    };
    const timer = setInterval(() => void look().catch(() => {}), 50);
    const [code] = await ended;
    await expect.poll(() => page.locator('#live').textContent(), { timeout: 10_000 }).toContain('The run has ended.');
    clearInterval(timer);
    await look();
    expect(code).toBe(0);
    // It saw some of the rounds on the way, and the last.
    expect(new Set(rounds).size).toBeGreaterThan(2);
    expect(rounds.at(-1)).toContain('12 of 12');
    expect(bar.some((text) => /Round \d+ of 12, \d+ of \d+ owners, \d+ tokens\/s, loss [\d.]+/.test(text))).toBe(true);
    expect(await page.locator('#owners tbody tr').count()).toBe(8);
    expect(await page.locator('section').count()).toBe(9);
    expect(faults).toEqual([]);
    // The file of that run, in every look.
    for (const look of Object.values(LOOKS)) {
      const file = await open(look);
      await file.page.goto(`file://${join(dir, 'run/report.html')}`);
      await expectAccessible(file.page);
      expect(await file.page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      expect(file.faults).toEqual([]);
    }
  });
});
