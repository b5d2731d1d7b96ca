import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { makeProgram, runCli } from '../../../src/cli/program.js';
import { METHODS } from '../../../src/methods/index.js';

async function output(...args: string[]): Promise<string> {
  const parts: string[] = [];
  const screen = { isTTY: false, columns: 80, write: (part: string) => parts.push(part) };
  const code = await runCli(args, { stdout: screen, stderr: screen, signal: new AbortController().signal });
  expect(code, parts.join('')).toBe(0);
  return parts.join('');
}

const silent = { write: () => {} };
const commands = makeProgram({ stdout: silent, stderr: silent, signal: new AbortController().signal }).commands;

describe('help', () => {
  it('has every command in a group, and examples', async () => {
    const text = await output('--help');
    expect(text).not.toMatch(/^Commands:$/m);
    expect(text).toMatch(/^Examples:\n {2}fedtune start/m);
    for (const group of ['Begin:', 'Look before:', 'Train:', 'Look after:', 'Take home:', 'Other:'])
      expect(text).toContain(`\n${group}\n`);
  });

  it('gives examples whose commands and flags there are', async () => {
    const texts = [await output('--help')];
    for (const command of ['run', 'eval', 'export']) texts.push(await output(command, '--help'));
    const lines = texts.flatMap((text) => text.match(/^ {2}fedtune .*$/gm) ?? []);
    expect(lines.length).toBeGreaterThan(12);
    for (const line of lines) {
      const [, name] = line.trim().split(/\s+/);
      const command = commands.find((one) => one.name() === name);
      expect(command, line).toBeDefined();
      const known = [...command!.options, ...command!.commands.flatMap(({ options }) => options)].map(
        ({ long }) => long,
      );
      for (const [flag] of line.matchAll(/--[a-z][a-z-]*/g)) expect(known, line).toContain(flag);
    }
  });

  it('says that a command was meant that is spelt alike', async () => {
    const parts: string[] = [];
    const screen = { write: (part: string) => parts.push(part) };
    expect(await runCli(['evla'], { stdout: screen, stderr: screen, signal: new AbortController().signal })).toBe(2);
    expect(parts.join('')).toContain('Did you mean eval?');
  });
});

describe('completion', () => {
  const of = async (...words: string[]) => {
    const lines = (await output('complete', '--', ...words)).trimEnd().split('\n');
    return { names: lines.slice(0, -1).map((line) => line.split('\t')[0]), directive: lines.at(-1) };
  };

  it('of commands, subcommands, flags, and names that a flag takes', async () => {
    expect(await of('ev')).toEqual({ names: ['eval'], directive: ':4' });
    expect((await of('')).names.filter((name) => name === 'data')).toEqual(['data']);
    expect((await of('data', '')).names).toEqual(expect.arrayContaining(['show', 'inspect']));
    expect((await of('run', '--met')).names).toEqual(['--method']);
    expect((await of('run', '--method', '')).names).toEqual([...METHODS]);
    expect((await of('eval', '--split', '')).names).toEqual(['train', 'valid', 'test', 'all']);
  });

  it('leaves paths to the shell', async () => {
    expect(await of('run', 'exam')).toEqual({ names: [], directive: ':0' });
    expect(await of('eval', '--data', '')).toEqual({ names: [], directive: ':0' });
  });

  it.skipIf(spawnSync('bash', ['--version']).status !== 0)('works in bash, paths included', async () => {
    const spy: string[] = [];
    const log = console.log;
    console.log = (text: string) => spy.push(text);
    const script = await output('completion', 'bash').finally(() => {
      console.log = log;
    });
    const asked = `
      fedtune() { printf 'eval\\tscore\\nexport\\twrite\\n:4\\n'; }
      _get_comp_words_by_ref() { cur=e; words=(fedtune e); }
      ${spy.join('\n')}\n${script}
      __fedtune_complete 2>/dev/null; echo "\${COMPREPLY[@]}"; complete -p fedtune`;
    const said = execFileSync('bash', ['-c', asked], { encoding: 'utf8' });
    expect(said).toMatch(/^eval export$/m);
    expect(said).toMatch(/^complete -o default -F __fedtune_complete fedtune$/m);
  });
});
