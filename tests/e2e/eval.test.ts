import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evalTables } from '../../src/cli/evalTables.js';
import { runCli } from '../../src/cli/program.js';
import type { RunMetrics } from '../../src/contracts/metrics.js';
import { loadOpenQuestions } from '../../src/eval/answers.js';
import type { EvalReport } from '../../src/eval/results.js';
import { llamaCppAnswers } from '../../src/export/index.js';
import { openRun } from '../../src/run/openRun.js';
import { TINY_RUN } from '../support/tinyRun.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'fedtune-evaluate-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const at = (...names: string[]) => join(dir, ...names);
const run = at('run');

async function cli(args: readonly string[], signal = new AbortController().signal) {
  const got = { out: '', err: '' };
  const screen = (key: 'out' | 'err') => ({
    write: (text: string) => {
      got[key] += text;
    },
  });
  const code = await runCli(['eval', ...args], { stdout: screen('out'), stderr: screen('err'), signal });
  return { code, ...got };
}

async function scored(...args: string[]): Promise<EvalReport> {
  const { code, out, err } = await cli([...args, '--json']);
  expect(code, err).toBe(0);
  return JSON.parse(out);
}

/** A run with an adapter of its own for each owner, and one for all. */
describe.skipIf(!existsSync(main))('fedtune eval (needs npm run build:ts)', { timeout: 120_000 }, () => {
  let metrics: RunMetrics;
  beforeAll(async () => {
    const keys = { ...TINY_RUN, num_rounds: 1, method: 'ditto', take_home: 'personalized', output_dir: run };
    const flags = Object.entries(keys).flatMap(([key, value]) => [
      '--set',
      `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ]);
    const said = execFileSync(process.execPath, [main, 'run', ...flags, '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    metrics = JSON.parse(said.toString());
  }, 120_000);

  it('scores every adapter of a run on every owner: what the run itself scored, and the cross table beside it', async () => {
    const { data } = await scored('--adapter', run, '--data', run);
    expect(data).toMatchObject({ split: 'test', template: 'plain', seq_length: TINY_RUN.seq_length });
    const of = (name: string) => data!.results.find((result) => result.name === name)!;
    expect(data!.results.map(({ name }) => name)).toEqual([
      'base',
      ...['global', ...metrics.clients.map(({ id }) => id)].map((id) => `${run}:${id}`),
    ]);
    for (const client of metrics.clients) {
      expect(of('base').owners[client.id]!.nll).toBeCloseTo(client.base!.nll, 9);
      expect(of(`${run}:global`).owners[client.id]!.nll).toBeCloseTo(client.global!.nll, 9);
      expect(of(`${run}:${client.id}`).owners[client.id]!.nll).toBeCloseTo(client.personalized!.nll, 9);
    }
    expect(of('base').mean_of_owners!.value).toBeCloseTo(metrics.macro.base!.ppl, 6);
    expect(of('base').all.ppl.value).toBeCloseTo(metrics.weighted.base!.ppl, 6);
    const [mine, other] = metrics.clients.map(({ id }) => `${run}:${id}`);
    expect(of(mine!).all.nll).not.toBe(of(other!).all.nll);
    const { value } = of(mine!).against_base!;
    expect(value).toBeCloseTo(of(mine!).all.ppl.value / of('base').all.ppl.value - 1, 9);
  });

  it('adds the cross table and what was forgotten to the report of a run, until the run is another', async () => {
    writeFileSync(at('general.txt'), 'The shop is open on Monday. '.repeat(30));
    const said: string[] = [];
    const screen = { write: (text: string) => said.push(text) };
    const report = (...flags: string[]) =>
      runCli(['report', run, ...flags], { stdout: screen, stderr: screen, signal: new AbortController().signal });
    expect(await report('--cross'), said.join('')).toBe(0);
    expect(await report('--text', at('general.txt')), said.join('')).toBe(0);
    const page = readFileSync(join(run, 'report.html'), 'utf8');
    const sectionOf = (id: string) => new RegExp(`<section id="${id}".*?</section>`, 's').exec(page)![0];
    const digits = (ppl: number) => ppl.toFixed(ppl < 100 ? 2 : ppl < 1000 ? 1 : 0);
    for (const { id, base, global, personalized } of metrics.clients) {
      const row = sectionOf('cross')
        .split('<tr>')
        .find((text) => text.includes(`title="${id}"`) && text.includes('scope="row"'))!;
      const cells = [...row.matchAll(/<td class="([^"]*)">([^<]*)</g)].map(([, style, value]) => [style, value]);
      expect(cells.slice(0, 2).map(([, value]) => value)).toEqual([digits(base!.ppl), digits(global!.ppl)]);
      const own = cells.filter(([style]) => style!.startsWith('home'));
      expect(own.map(([, value]) => value)).toEqual([digits(personalized!.ppl)]);
    }
    const { text } = await scored('--adapter', run, '--text', at('general.txt'));
    const forgotten = sectionOf('forgetting');
    for (const { all } of text!.results) expect(forgotten).toContain(`<td>${digits(all.ppl.value)}</td>`);
    expect(forgotten.match(/ % to /g)).toHaveLength(text!.results.length - 1);
    const path = join(run, 'metrics.json');
    const before = readFileSync(path);
    writeFileSync(path, `${before}\n`);
    expect(await report()).toBe(0);
    expect(readFileSync(join(run, 'report.html'), 'utf8')).not.toContain('id="cross"');
    writeFileSync(path, before);
    rmSync(join(run, 'evaluation.json'));
  });

  it('takes PEFT folders and GGUF LoRAs, which score alike, from any base that they fit', async () => {
    const owner = metrics.clients[0]!.id;
    const peft = join(run, 'adapters', owner);
    const gguf = at('out', 'adapter.gguf');
    const { signal } = new AbortController();
    const nothing = { write: () => {} };
    const exported = ['export', run, '--client', owner, '--format', 'gguf', '--out', at('out')];
    expect(await runCli(exported, { stdout: nothing, stderr: nothing, signal })).toBe(0);
    const args = ['--model', 'embedded', '--data', 'embedded', '--limit', '2', '--no-base', '--precision', 'f32'];
    const { data } = await scored(...args, '--adapter', peft, gguf, `${run}:${owner}`);
    const [first, ...others] = data!.results;
    for (const { all } of others) expect(all.nll).toBeCloseTo(first!.all.nll, 6);
    expect(first!.against_base).toBeUndefined();
    expect(Object.keys(first!.owners)).toHaveLength(8);
  });

  it('prints tables, and writes the scores of single examples', async () => {
    writeFileSync(at('text.txt'), 'The shop is open on Monday. '.repeat(30));
    writeFileSync(at('q.jsonl'), '{"question":"When?","choices":["on Monday","on Sunday"],"answer":1}\n');
    const out = at('scores.jsonl');
    const { code, out: printed } = await cli([
      ...['--adapter', `${run}:global`, '--data', run, '--text', at('text.txt'), '--choices', at('q.jsonl')],
      ...['--out', out],
    ]);
    expect(code).toBe(0);
    expect(printed).toMatch(/^Perplexity on \d+ test examples, \d+ target tokens, template plain/m);
    expect(printed).toMatch(/^Perplexity on plain text: \d+ window/m);
    expect(printed).toMatch(/^Multiple choice: 1 question, asked by "Question: \{question\}/m);
    expect(printed).toMatch(/^global +\S+ \(\S+ to \S+\) +\S+ +\S+ \(.*%\)$/m);
    const lines = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(new Set(lines.map(({ set }) => set))).toEqual(new Set(['data', 'text', 'choices']));
    const { data } = await scored('--adapter', `${run}:global`, '--data', run);
    const sum = lines.filter(({ set }) => set === 'data').reduce((total, { nll }) => total + nll[`${run}:global`], 0);
    expect(sum / data!.results[1]!.all.tokens).toBeCloseTo(data!.results[1]!.all.nll, 9);
    expect(lines.at(-1)).toMatchObject({
      id: 'q.jsonl:1',
      answer: 1,
      answers: { base: { nll: [expect.any(Number), expect.any(Number)] } },
    });
  });

  it('classifies by the likeliest answer', async () => {
    const rows = ['yes', 'no', 'yes', 'no', 'perhaps', 'no'].map((output, i) =>
      JSON.stringify({ instruction: `Is ${i} a good day?`, output }),
    );
    writeFileSync(at('classes.jsonl'), rows.join('\n'));
    const out = at('classified.jsonl');
    const args = ['--adapter', `${run}:global`, '--classify', at('classes.jsonl'), '--out', out];
    const { classes } = await scored(...args);
    expect(classes!.labels).toEqual(['no', 'perhaps', 'yes']);
    const lines = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ answer }) => answer)).toEqual([2, 0, 2, 0, 1, 0]);
    for (const { name, all } of classes!.results) {
      const picked = lines.map(({ answers }) => answers[name].picked);
      expect(picked).toEqual(
        lines.map(
          ({
            answers: {
              [name]: { nll },
            },
          }) => nll.indexOf(Math.min(...nll)),
        ),
      );
      const hits = lines.filter(({ answer }, i) => answer === picked[i]).length;
      expect(all.accuracy.value).toBe(hits / 6);
      expect(all.macro_f1.value).toBeLessThanOrEqual(1);
    }
    const { out: printed } = await cli(args);
    expect(printed).toMatch(/^6 examples of 3 classes/m);
  });

  it('lets llama.cpp answer, many at a time, as it answers one at a time', async () => {
    const out = at('answers.jsonl');
    const args = [
      '--adapter',
      `${run}:global`,
      '--answers',
      run,
      '--max-tokens',
      '4',
      '--limit',
      '1',
      '--threads',
      '1',
      '--out',
      out,
    ];
    const { answers, model } = await scored(...args);
    expect(model.kernels).toBeNull();
    expect(evalTables({ model, answers: answers! })).toMatch(
      /^Answers of llama.cpp to 8 examples, template plain, at most 4 tokens/m,
    );
    expect(answers).toMatchObject({ split: 'test', template: 'plain', max_tokens: 4 });
    const lines = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(answers!.results[0]!.all.examples);
    for (const { name, all } of answers!.results) {
      const mean = lines.reduce((sum, line) => sum + line.answers[name].rougeL, 0) / lines.length;
      expect(all.rougeL.value).toBeCloseTo(mean, 12);
    }
    const opened = await openRun(run);
    const questions = await loadOpenQuestions({ ...opened.config, data: run }, opened.model, { maxTokens: 4 });
    const { prompt } = questions.questions[0]!;
    const alone = await llamaCppAnswers({ modelPath: opened.model.path, adapters: [null], prompt, maxTokens: 4 });
    expect(alone).toEqual([lines[0].answers.base.text]);
    expect(lines[0].id).toBe(questions.questions[0]!.id);
  });

  it.each([
    [['--model', 'embedded', '--classify', 'embedded'], 1, 'different answers, which are the classes'],
    [['--model', 'embedded', '--answers', 'embedded', '--max-tokens', '999999'], 1, 'Lower --max-tokens'],
    [['--data', 'embedded'], 2, 'Expected --model'],
    [['--model', 'embedded'], 2, 'Expected something to score'],
    [['--adapter', 'nowhere', '--data', 'embedded'], 2, 'PEFT folder, a GGUF LoRA, a run folder, or RUN:OWNER'],
    [['--adapter', `${run}:nobody`, '--data', run], 2, 'received "nobody"'],
    [['--model', 'embedded', '--data', 'embedded', '--limit', '0'], 2, 'whole number from 1'],
    [['--model', 'embedded', '--text', 'nowhere.txt'], 1, 'Expected a text file at nowhere.txt'],
    [['--model', 'embedded', '--data', 'embedded', '--seq-length', '4', '--on-long', 'drop'], 1, 'are over 4 tokens'],
    [['--model', 'embedded', '--text', 'package.json', '--window', '9999'], 2, 'Expected a window of 2 to'],
  ])('says what is wrong with %j', async (args, code, message) => {
    const got = await cli(args);
    expect(got.code).toBe(code);
    expect(got.err).toContain(message);
    expect(got.out).toBe('');
  });

  it('writes nothing where it is stopped', async () => {
    const controller = new AbortController();
    controller.abort();
    const out = at('stopped.jsonl');
    const got = await cli(['--model', 'embedded', '--data', 'embedded', '--out', out], controller.signal);
    expect(got.code).toBe(130);
    expect(() => readFileSync(out)).toThrow();
  });
});
