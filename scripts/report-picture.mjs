#!/usr/bin/env node
// node scripts/report-picture.mjs RUN FILE.jpg: a picture of the top of a run's report, taken by Chromium (CHROMIUM names one that is elsewhere).
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [run, file] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const page = await browser.newPage({ viewport: { width: 1200, height: 1000 }, colorScheme: 'light' });
await page.goto(pathToFileURL(resolve(run, 'report.html')).href);
await page.screenshot({ path: file, type: 'jpeg', quality: 80 });
await browser.close();
