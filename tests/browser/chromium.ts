import { existsSync } from 'node:fs';
import AxeBuilder from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Chromium: what CHROMIUM names, which then has to be there, or what the system has. */
export const CHROMIUM = process.env.CHROMIUM || PLACES.find((path) => existsSync(path));

/** One browser for the tests of a file. */
export function useBrowser(): (options?: BrowserContextOptions) => Promise<{ page: Page; faults: string[] }> {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox'] });
  });
  afterAll(() => browser?.close());
  return async (options = {}) => {
    const page = await (await browser.newContext(options)).newPage();
    const faults: string[] = [];
    page.on('console', (message) => faults.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('requestfailed', (request) => faults.push(`${request.url()} ${request.failure()?.errorText}`));
    return { page, faults };
  };
}

/** The ways in which the page is looked at. */
export const LOOKS: Readonly<Record<string, BrowserContextOptions>> = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: 'light', viewport: { width: 375, height: 720 }, isMobile: true, hasTouch: true },
  'a phone in the dark': { colorScheme: 'dark', viewport: { width: 375, height: 720 }, isMobile: true, hasTouch: true },
};

/** Throws where axe finds something (every rule, those of good practice too). */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(AxeBuilder.source);
  const { violations } = await page.evaluate(() =>
    (
      globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }
    ).axe.run(),
  );
  expect(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join('\n  ')}`),
  ).toEqual([]);
}
