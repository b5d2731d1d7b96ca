import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { largeRun } from '../report/largeRun.js';

async function report(dir: string, ...flags: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said = Promise.all([text(stdout), text(stderr)]);
  const code = await runCli(['report', dir, ...flags], {
    stdout,
    stderr,
    signal: new AbortController().signal,
  } as never);
  stdout.end();
  stderr.end();
  return { code, said: (await said).join('') };
}

it('--owners draws who is asked for, and refuses who is none', async () => {
  const dir = await largeRun(40, 1);
  const page = () => readFile(join(dir, 'report.html'), 'utf8');
  const plain = await report(dir);
  expect(plain.code, plain.said).toBe(0);
  expect(await page()).not.toContain('asked for');
  const before = (await page()).split('Training loss of owner-33').length;
  const asked = await report(dir, '--owners', 'owner-33', 'owner-11');
  expect(asked.code, asked.said).toBe(0);
  expect((await page()).split('Training loss of owner-33').length).toBeGreaterThan(before);
  expect(await page()).toContain('and those asked for');
  const written = await page();
  const stranger = await report(dir, '--owners', 'owner-10', 'ownr-11');
  expect(stranger.code).toBe(2);
  expect(stranger.said).toMatch(/but received "ownr-11"\. Did you mean "owner-11"\?/);
  expect(await page()).toBe(written);
});
