import { expect, it } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { CONFIG_KEYS } from '../../../src/config/schema.js';

async function output(...args: string[]): Promise<string> {
  const parts: string[] = [];
  const stdout = { isTTY: false, columns: 80, write: (part: string) => parts.push(part) > 0 };
  const code = await runCli(args, { stdout, stderr: stdout, signal: new AbortController().signal } as never);
  expect(code, parts.join('')).toBe(0);
  return parts.join('');
}

it('keys lists every key of the run file, with its default', async () => {
  const text = await output('keys');
  const names = text.split('\n').flatMap((line) => /^([a-z0-9_]+): /.exec(line)?.[1] ?? []);
  expect(names).toEqual([...CONFIG_KEYS]);
  expect(text).toContain('prox_mu: 0.01\n    fedprox: pull');
  expect(text).toContain('strategy: null\n');
});

it('keys --strategy lists the options of a method of the user', async () => {
  const text = await output('keys', '--strategy', 'examples/lossWeighted.mjs');
  expect(text).toMatch(/^loss-weighted: .*\npower: 1\n {4}How much/);
});
