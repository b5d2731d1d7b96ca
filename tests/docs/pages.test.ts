import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { makeProgram } from '../../src/cli/program.js';
import { valueFromText } from '../../src/config/load.js';
import { CONFIG_KEYS, runConfigSchema } from '../../src/config/schema.js';
import type { RunMetrics } from '../../src/contracts/metrics.js';
import { formatBytes, formatSeconds } from '../../src/report/format.js';
import { scoreTable } from '../../src/report/table.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = [
  ...['README.md', 'CONTRIBUTING.md', 'llms.txt', 'datasets/owners/README.md'],
  ...['docs', 'benchmarks/results'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
];
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');
const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '``');
/** What stands between backticks in prose, over a line's end too. */
const inlineCode = (text: string): string[] =>
  [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replace(/\s+/g, ' '));

/** Names of a page's headings as addresses have them. */
function anchorsOf(text: string): string[] {
  const headings = text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}

describe.each(PAGES)('links of %s', (page) => {
  const text = withoutCode(textOf(page));
  const places = [...text.matchAll(/\]\(([^)\s]+)\)/g), ...text.matchAll(/^\[[^\]]+\]: (\S+)$/gm)].map(([, to]) => to!);

  it('lead to files and headings that there are', () => {
    for (const place of places.filter((to) => !/^https?:/.test(to))) {
      const [path, anchor] = place.split('#');
      const file = path === '' ? page : join(dirname(page), decodeURIComponent(path!));
      expect(existsSync(join(root, file)), place).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(textOf(file)), place).toContain(anchor);
    }
  });

  it('have an address where they are by name', () => {
    const named = new Set([...text.matchAll(/^\[([^\]]+)\]: /gm)].map(([, name]) => name));
    for (const [, name] of text.matchAll(/\[[^\]]+\]\[([\w-]+)\]/g)) expect(named).toContain(name);
  });
});

/** The program with every action taken out: what is left reads flags, arguments and choices. */
function parser(): Command {
  const silent = { write: () => {} };
  const program = makeProgram({ stdout: silent, stderr: silent, signal: new AbortController().signal });
  const visit = (command: Command) => {
    if (command.commands.length === 0) command.action(() => {});
    for (const one of command.commands) visit(one);
  };
  visit(program);
  return program;
}

/** Words of a line of shell, without its quotes, comments and what follows the command. */
function wordsOf(line: string): string[] {
  const words = line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(#.*$|[|&;>].*$)|([^\s'"|&;>]+)/g);
  return [...words].flatMap(([, double, single, end, word]) => (end === undefined ? [double ?? single ?? word!] : []));
}

/** Commands of fedtune in a page: lines of its blocks of code, and code in its prose. */
function commandsOf(page: string): { shown: string[]; named: string[] } {
  const text = textOf(page).replaceAll(/\\\n\s*/g, '');
  const blocks = [...text.matchAll(/^```(?:sh|bash)?\n[\s\S]*?^```$|^ {4}.+$/gm)].map(([block]) => block).join('\n');
  const lines = blocks.matchAll(/^ *(?:HF_TOKEN=\S+ )?(?:npx )?(fedtune [a-z].*)$/gm);
  return {
    shown: [...lines].map(([, line]) => line!),
    named: inlineCode(text).flatMap((code) => /^(?:npx )?(fedtune .*)$/.exec(code)?.[1] ?? []),
  };
}

/** Throws where fedtune would not take the command. */
async function check(command: string): Promise<void> {
  const words = wordsOf(command).slice(1);
  if (words[0] === 'COMMAND') return;
  await parser().parseAsync(words, { from: 'user' });
  for (const [i, word] of words.entries()) {
    const key = word.slice(2).replaceAll('-', '_') as never;
    const assignment = word === '--set' ? words[i + 1] : undefined;
    if (assignment !== undefined) expect(CONFIG_KEYS, command).toContain(assignment.split('=')[0]);
    const isKey = ['run', 'plan', 'init'].includes(words[0]!) && word.startsWith('--') && CONFIG_KEYS.includes(key);
    if (!isKey || words[i + 1] === undefined || words[i + 1]!.startsWith('--')) continue;
    const { success } = runConfigSchema.shape[key as 'model'].safeParse(valueFromText(key, words[i + 1]!));
    expect(success, `${command}: ${word}`).toBe(true);
  }
}

describe.each(PAGES)('commands of %s', (page) => {
  it('are taken by fedtune', async () => {
    const { shown, named } = commandsOf(page);
    for (const command of [...shown, ...named]) {
      await check(command).catch((error: Error) => {
        // What is only named in prose may leave out what it is to be done with.
        const isCut = error instanceof CommanderError && /missing|required/i.test(error.message);
        if (!isCut || shown.includes(command)) throw new Error(`${command}: ${error.message}`);
      });
    }
  });

  it('of npm are scripts of package.json', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    for (const [, name] of textOf(page).matchAll(/npm run ([a-z:]+)/g)) expect(Object.keys(scripts)).toContain(name);
  });

  it('and paths of this repository are there', () => {
    const paths = inlineCode(textOf(page)).filter((code) =>
      /^(?:src|tests|benchmarks|scripts|native|examples|docs)\/[\w/-][\w./-]*\w\/?$/.test(code),
    );
    const isThere = (path: string) =>
      [root, join(root, dirname(page), '..')].some((from) => existsSync(join(from, path)));
    // Folders with a dot are made by commands.
    for (const path of paths.filter((one) => !one.includes('/.'))) expect(isThere(path), path).toBe(true);
  });
});

it('finds commands', () => {
  expect(PAGES.flatMap((page) => commandsOf(page).shown).length).toBeGreaterThan(50);
});

describe('figures of the pages are those that were measured:', () => {
  it('the real model of README', () => {
    const { metrics } = JSON.parse(textOf('benchmarks/results/dolly.json')) as { metrics: RunMetrics };
    const section = /^## A real model\n([\s\S]*?)^## /m.exec(textOf('README.md'))![1]!;
    const measured = scoreTable(metrics).split('\n');
    const shown = section.split('\n').filter((line) => /^(owner {3}|\w+ +\d+ +\d+ |mean of owners)/.test(line));
    expect(shown).toHaveLength(4);
    for (const line of shown) expect(measured).toContain(line);
    expect(section).toContain(`took ${formatSeconds(metrics.timing.seconds)} `);
    expect(section).toContain(formatBytes(metrics.timing.peak_rss_bytes));
  });

  it('which base fits, of docs/performance.md', () => {
    const tableOf = (page: string) => /^\| base .*(?:\n\|.*)*/m.exec(textOf(page))![0];
    expect(tableOf('docs/performance.md')).toBe(tableOf('benchmarks/results/sizes.md'));
  });
});
