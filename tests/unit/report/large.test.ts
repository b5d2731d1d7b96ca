import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeReportObserver } from '../../../src/report/observer.js';
import { checkWellFormed } from '../../support/markup.js';
import { largeRun } from './largeRun.js';

const OWNERS = 100;
const ROUNDS = 1000;

it(`of ${OWNERS} owners and ${ROUNDS} rounds, each scored, is a page that opens`, async () => {
  const dir = await largeRun(OWNERS, ROUNDS);
  const warnings: string[] = [];
  const begun = performance.now();
  await makeReportObserver({ dir, onWarning: (message) => warnings.push(message) }).finish();
  const seconds = (performance.now() - begun) / 1000;
  expect(warnings).toEqual([]);
  // 10 s on a machine that does nothing else; others may be at work beside this test.
  expect(seconds).toBeLessThan(30);
  const page = await readFile(join(dir, 'report.html'), 'utf8');
  expect(Buffer.byteLength(page)).toBeLessThan(5_000_000);
  checkWellFormed(page);
  expect(page).toContain('all 1000 of them are in events.jsonl');
  expect(page).toContain('means of neighbours are drawn');
  expect(page).toContain(
    '24 of 100 owners: the 8 with the lowest perplexity, 8 in the middle and the 8 with the highest.',
  );
  expect(page).toContain('global against local');
}, 120_000);
