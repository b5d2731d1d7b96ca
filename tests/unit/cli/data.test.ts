import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { checkWellFormed } from '../../support/markup.js';
import { useFolder } from '../data/files.js';

const { dir, put } = useFolder();

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const got = { out: '', err: '' };
  const screen = (key: 'out' | 'err') => ({
    write: (text: string) => {
      got[key] += text;
    },
  });
  const code = await runCli(args, {
    stdout: screen('out'),
    stderr: screen('err'),
    signal: new AbortController().signal,
  });
  return { code, ...got };
}

const row = (instruction: string, more: object = {}) =>
  JSON.stringify({ instruction, output: `Yes, ${instruction}`, ...more });
function federation(): string {
  put('owners/north.jsonl', `${row('a', { category: 'x', note: 1 })}\n${row('b', { category: 'x' })}\nbroken\n`);
  put('owners/south.jsonl', `${row('c', { category: 'y' })}\n${row('a', { category: 'x' })}\n`);
  return join(dir(), 'owners');
}

describe('fedtune data show', () => {
  it('shows an example as it is trained, by its number or its owner', async () => {
    const first = await cli('data', 'show', federation());
    expect(first.code, first.err).toBe(0);
    expect(first.out).toMatch(
      /^north\.jsonl:1, owner north, category x; template plain of .*\n\d+ tokens, \d+ of them targets/,
    );
    expect(first.out.replaceAll('|', '')).toContain('### Instruction\na\n### Response\n[[Yes, a');
    expect((await cli('data', 'show', federation(), '--index', '2')).out).toContain('south.jsonl:1');
    expect((await cli('data', 'show', federation(), '--owner', 'south', '--index', '1')).out).toContain(
      'south.jsonl:2',
    );
  });

  it('says what there is where nothing fits', async () => {
    expect(await cli('data', 'show', federation(), '--owner', 'west')).toMatchObject({
      code: 1,
      err: expect.stringContaining('"west" but the data names north, south'),
    });
    expect(await cli('data', 'show', federation(), '--index', '9')).toMatchObject({
      code: 1,
      err: expect.stringContaining('there are 4'),
    });
    expect((await cli('data', 'show', federation(), '--index', 'x')).code).toBe(2);
  });
});

describe('fedtune data inspect', () => {
  it('says on one screen what a data set is', async () => {
    const { code, out } = await cli('data', 'inspect', federation());
    expect(code).toBe(0);
    expect(out).toContain('2 files, 5 rows, 4 examples (question and answer)');
    expect((await cli('data', 'inspect', put('one.jsonl', row('a')))).out).toContain(': 1 file, 1 row, 1 example (');
    expect(out).toContain('1 row of 5 could not be used');
    expect(out).toContain('north.jsonl:3: no valid JSON');
    expect(out).toMatch(/^owner +examples +x +y$/m);
    expect(out).toMatch(/^south +2 +▄ 50 % +▄ 50 %$/m);
    expect(out).toMatch(/divergence between owners by category .* largest 0\.311 \(north and south\)/);
    expect(out).toContain('duplicates: 0 within owners, 1 across owners (first south.jsonl:2), 0 across splits');
    expect(out).toContain('unused columns: note (1 rows)');
    expect(out.split('\n').length).toBeLessThan(50);
  });

  it('with the owners that a partition draws', async () => {
    const data = federation();
    const { out } = await cli('data', 'inspect', data, '--partition', 'category', '--json');
    expect(JSON.parse(out).owners).toMatchObject([
      { owner: 'x', examples: 3 },
      { owner: 'y', examples: 1 },
    ]);
    const shown = await cli('data', 'show', data, '--partition', 'category', '--owner', 'y');
    expect(shown.out).toMatch(/^south\.jsonl:1, owner y, category y/);
    const drawn = await cli('data', 'inspect', data, '--partition', 'iid', '--num-clients', '2', '--min-examples', '1');
    expect(drawn.out).toMatch(/^client-0 +2 .*\nclient-1 +2/m);
  });

  it('as JSON and as a picture; from a run file and with flags', async () => {
    const data = federation();
    const run = put('run.yaml', `data: ${data}\ncolumns: { category: note }\n`);
    const { out } = await cli(
      'data',
      'inspect',
      run,
      '--json',
      '--seq-length',
      '64',
      '--svg',
      join(dir(), 'owners.svg'),
    );
    const found = JSON.parse(out);
    expect(found).toMatchObject({
      examples: 4,
      categories: ['(no category)', '1'],
      read: { bad: 1 },
      tokenized: { tokenized: 4 },
    });
    const svg = readFileSync(join(dir(), 'owners.svg'), 'utf8');
    checkWellFormed(svg);
    expect(svg).toContain('north, 1: 50 %');
  });
});
