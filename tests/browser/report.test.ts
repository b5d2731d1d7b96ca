import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { serveReport } from '../../src/report/live.js';
import { makeReportObserver } from '../../src/report/observer.js';
import { readRecord } from '../../src/report/record.js';
import { writeReport } from '../../src/report/write.js';
import { largeRun } from '../unit/report/largeRun.js';
import { eventLines } from '../unit/report/runFolder.js';
import { CHROMIUM, expectAccessible, LOOKS, useBrowser } from './chromium.js';

const OPENINGS = 5;

/** What the search says beside pictures that are not those of whom it found. */
const NOTES = 'main p[data-drawn]:visible';

async function reportOf(dir: string): Promise<string> {
  await makeReportObserver({ dir, onWarning: (message) => expect.fail(message) }).finish();
  return `file://${join(dir, 'report.html')}`;
}

describe.skipIf(CHROMIUM === undefined)('the report in Chromium (CHROMIUM, or that of the system)', () => {
  const open = useBrowser();

  it('of 100 owners over 50 rounds opens in under a second, asks for nothing and complains of nothing', async () => {
    const url = await reportOf(await largeRun(100, 50));
    const { page, faults } = await open();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    const seconds: number[] = [];
    for (let i = 0; i < OPENINGS; i++) {
      await page.goto(url);
      // From the navigation to the first picture on the screen, the script's work included.
      const paint = await page.evaluate<number>(
        'new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))))',
      );
      seconds.push(paint / 1000);
    }
    console.log(`opened in ${seconds.map((one) => one.toFixed(2)).join(', ')} s`);
    // The quickest: others may be at work on the machine.
    expect(Math.min(...seconds)).toBeLessThan(1);
    expect(faults).toEqual([]);
    expect(new Set(asked)).toEqual(new Set([url]));
  });

  // liveRun.test.ts looks at a page of a real run in every way; this one has what is there for many owners alone.
  it.each(['light', 'a phone in the dark'])('has nothing that axe finds: %s', async (name) => {
    const { page, faults } = await open(LOOKS[name]);
    await page.goto(await reportOf(await largeRun(12, 6)));
    await expectAccessible(page);
    expect(
      await page.evaluate('document.documentElement.scrollWidth <= innerWidth'),
      'nothing is wider than the screen',
    ).toBe(true);
    expect(faults).toEqual([]);
  });

  it('sorts and finds owners by the keyboard, among 1,000', async () => {
    const dir = await largeRun(1000, 2);
    const metrics = JSON.parse(await readFile(join(dir, 'metrics.json'), 'utf8'));
    const { page, faults } = await open();
    await page.goto(await reportOf(dir));
    const owners = page.locator('#owners tbody tr:visible th');
    expect(await owners.count()).toBe(1000);
    await page.locator('#owners thead th', { hasText: 'local' }).getByRole('button').focus();
    await page.keyboard.press('Enter');
    const byLocal: { id: string; local: { ppl: number } }[] = [...metrics.clients].sort(
      (a, b) => a.local.ppl - b.local.ppl,
    );
    const shownPpl = (i: number) => byLocal.at(i)!.local.ppl.toFixed(2);
    const firstRow = page.locator('#owners tbody tr').first();
    await expect.poll(() => firstRow.textContent()).toContain(shownPpl(0));
    expect(await page.locator('#owners th[aria-sort]').getAttribute('aria-sort')).toBe('ascending');
    await page.keyboard.press('Space');
    await expect.poll(() => firstRow.textContent()).toContain(shownPpl(-1));
    expect(await page.locator('#owners th[aria-sort]').getAttribute('aria-sort')).toBe('descending');
    await page.getByRole('searchbox', { name: 'Find among 1000 owners' }).focus();
    await page.keyboard.type('Owner-77');
    // owner-77 and owner-770 to owner-779.
    await expect.poll(() => owners.count()).toBe(11);
    expect(await page.getByRole('status').last().textContent()).toBe('11 of 1000 owners');
    // Pictures are of 24, and every part with such pictures says whom it leaves out.
    const notes = await page.locator(NOTES).allTextContents();
    const parts = await page.locator(NOTES).evaluateAll((all) => all.map((one) => one.closest('section')!.id));
    expect(parts).toEqual(['owners', 'rounds', 'federation', 'training', 'data']);
    for (const note of notes)
      expect(note).toMatch(/^Not drawn here: owner-77\d?, .+ and \d more; “fedtune report RUN --owners owner-77/);
    await expectAccessible(page);
    await page.keyboard.press('Escape');
    await expect.poll(() => owners.count()).toBe(1000);
    expect(await page.locator(NOTES).count()).toBe(0);
    expect(faults).toEqual([]);
  });

  it.each(['file', 'served'])('draws an owner that is asked for, and says of others what would: %s', async (how) => {
    const dir = await largeRun(100, 2);
    const drawnOf = async (asked: readonly string[]) => {
      const { page, faults } = await open();
      if (how === 'file') await page.goto(`file://${await writeReport(dir, { ...(await readRecord(dir)), asked })}`);
      else {
        const report = await serveReport({ dir, owners: asked });
        onTestFinished(() => report.close(''));
        await page.goto(report.url);
      }
      await page.getByRole('searchbox').fill('owner-33');
      expect(await page.locator('#owners tbody tr:visible').count()).toBe(1);
      const pictures = await page.locator('figure[data-owner]:visible').count();
      expect(faults).toEqual([]);
      return { pictures, notes: await page.locator(NOTES).allTextContents(), text: await page.textContent('main') };
    };
    const without = await drawnOf([]);
    expect(without.pictures).toBe(0);
    expect(new Set(without.notes)).toEqual(
      new Set([
        'Not drawn here: owner-33; “fedtune report RUN --owners owner-33” draws it, where there is something to draw.',
      ]),
    );
    const asked = await drawnOf(['owner-33', 'owner-34']);
    expect(asked.pictures).toBe(2);
    expect(asked.notes).toEqual([]);
    expect(asked.text).toContain('and those asked for');
  });

  it('brings live updates without losing what the reader did', async () => {
    const dir = await largeRun(12, 3);
    // As it was before the end.
    const log = join(dir, 'events.jsonl');
    const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
    const until = (round: number) =>
      lines.findIndex((line) => JSON.parse(line).type === 'evaluation' && JSON.parse(line).round === round) + 1;
    await writeFile(log, `${lines.slice(0, until(2)).join('\n')}\n`);
    const report = await serveReport({ dir });
    onTestFinished(() => report.close(''));
    const { page, faults } = await open(LOOKS.dark);
    await page.goto(report.url);
    await expectAccessible(page);
    const rounds = page.locator('.tile', { hasText: 'rounds' });
    expect(await rounds.textContent()).toContain('2 of 3');
    await page.getByRole('searchbox').fill('owner-1');
    await page.locator('#rounds summary').click();
    await page.locator('#rounds details thead th').first().getByRole('button').click();
    await page.locator('#rounds details thead th').first().getByRole('button').click();
    report.show({ text: 'Round 3 of 3, 4 of 12 owners', share: 0.7, round: '2 of 3 rounds done' });
    await expect.poll(() => page.locator('#live').textContent()).toContain('4 of 12 owners');
    expect(await page.locator('#live progress').evaluate((bar) => (bar as unknown as { value: number }).value)).toBe(
      0.7,
    );

    await appendFile(log, `${lines.slice(until(2), until(3)).join('\n')}\n`);
    await expect.poll(() => rounds.textContent(), { timeout: 10_000 }).toContain('3 of 3');
    const numbers = page.locator('#rounds details tbody th');
    expect(await numbers.allTextContents()).toEqual(['3', '2', '1']);
    expect(await page.getByRole('searchbox').inputValue()).toBe('owner-1');
    expect(await page.locator('#rounds figure[data-owner]:visible').count()).toBe(3);
    expect(await page.evaluate('document.activeElement.closest("section")?.id')).toBe('rounds');

    await appendFile(log, eventLines(JSON.parse(lines.at(-1)!)));
    await report.close('The run has ended.');
    await expect.poll(() => page.locator('#live').textContent()).toContain('The run has ended.');
    expect(await page.locator('#owners tbody tr:visible').count()).toBe(3);
    expect(await page.locator('#headline').textContent()).not.toContain('Not finished');
    await expectAccessible(page);
    expect(faults).toEqual([]);
  });
});
