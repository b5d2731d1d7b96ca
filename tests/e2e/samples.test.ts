import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import type { SampleAnswer } from '../../src/contracts/samples.js';
import { TINY_RUN } from '../support/tinyRun.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'fedtune-samples-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const QUESTIONS = ['When do you open on <b>Monday</b>?', 'Who repairs locks?'];
const SETTINGS = { ...TINY_RUN, num_rounds: 3, partition: 'iid', num_clients: 2, threads: 1, workers: 1 };

const answersIn = (path: string): SampleAnswer[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

function run(name: string, settings: Record<string, unknown>) {
  const output = join(dir, name);
  writeFileSync(join(dir, `${name}.yaml`), JSON.stringify({ ...SETTINGS, ...settings, output_dir: output }));
  execFileSync(process.execPath, [main, 'run', join(dir, `${name}.yaml`)], { stdio: 'pipe' });
  const { timing: _, ...metrics } = JSON.parse(readFileSync(join(output, 'metrics.json'), 'utf8'));
  const hash = createHash('sha256');
  for (const who of readdirSync(join(output, 'adapters')).sort()) {
    hash.update(readFileSync(join(output, 'adapters', who, 'adapter_model.safetensors')));
  }
  return { output, result: [metrics, hash.digest('hex')] };
}

it.skipIf(!existsSync(main))(
  'answers the questions of the run file while it runs, and changes nothing by it',
  { timeout: 120_000 },
  () => {
    const without = run('without', {});
    const { output, result } = run('with', { samples: QUESTIONS, samples_every: 2 });
    expect(result).toEqual(without.result);
    expect(existsSync(join(without.output, 'samples.jsonl'))).toBe(false);
    const lines = answersIn(join(output, 'samples.jsonl'));
    const said = lines.map(({ round, owner, which, prompt }) => [round, owner ?? which, prompt]);
    const speakers = [
      [0, 'base'],
      [2, 'global'],
      ...['global', ...result[0].clients.map(({ id }: { id: string }) => id)].map((who) => [3, who]),
    ];
    expect(said).toEqual(speakers.flatMap(([round, who]) => QUESTIONS.map((prompt) => [round, who, prompt])));
    // As chat answers, which asks by the same template.
    const chat = ['chat', output, '--owner', 'global', '--max-tokens', '96', '--json', '--prompt', ...QUESTIONS];
    const answers = execFileSync(process.execPath, [main, ...chat], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const end = lines.filter(({ round, owner }) => round === 3 && owner === undefined);
    expect(JSON.parse(answers[0]!).answers.global).toBe(end[0]!.answer);
    const page = readFileSync(join(output, 'report.html'), 'utf8');
    expect(page).toContain('<h3>When do you open on &#60;b&#62;Monday&#60;/b&#62;?</h3>');
    expect(page.match(/<td class="names">/g)!.length).toBeGreaterThanOrEqual(lines.length);
  },
);

it.skipIf(!existsSync(main)).each(['threads', 'processes'])(
  'an owner answers its own questions with its own adapter, in its own folder: %s',
  { timeout: 240_000 },
  (runtime) => {
    const settings = { method: 'fedsa-lora', runtime, eval_every: 1 };
    const without = run(`alone-${runtime}`, settings);
    const [first, second] = without.result[0].clients.map(({ id }: { id: string }) => id);
    const question = 'Who holds my spare key?';
    const samples = [QUESTIONS[0], { owner: second, question }];
    const { output, result } = run(`own-${runtime}`, { ...settings, samples, samples_every: 2 });
    expect(result).toEqual(without.result);
    const told = (path: string) =>
      answersIn(path).map(({ round, owner, which, prompt }) => [round, owner ?? '', which, prompt]);
    const home = (which: string) => result[0].clients.find(({ id }: { id: string }) => id === which).take_home.which;
    expect(told(join(output, 'samples.jsonl'))).toEqual(
      [
        [0, '', 'base'],
        [2, first, 'personalized'],
        [2, second, 'personalized'],
        [3, first, home(first)],
        [3, second, home(second)],
      ].map((who) => [...who, QUESTIONS[0]]),
    );
    const folder = (id: string) => {
      const { clients } = JSON.parse(readFileSync(join(output, 'partition.json'), 'utf8'));
      return join(output, 'owners', clients.find((client: { id: string }) => client.id === id).folder);
    };
    const own = join(folder(second), 'samples.jsonl');
    expect(told(own)).toEqual([
      [0, second, 'base', question],
      [2, second, 'personalized', question],
      [3, second, home(second), question],
    ]);
    for (const id of [first, second]) expect(existsSync(join(folder(id), 'sampled'))).toBe(false);
    expect(existsSync(join(folder(first), 'samples.jsonl'))).toBe(false);
    expect(readFileSync(join(output, 'report.html'), 'utf8')).toContain(`<h3>${question}</h3>`);
  },
);

it.skipIf(!existsSync(main)).each([
  ['run', 'threads'],
  ['run', 'processes'],
  ['plan', 'threads'],
])('a question of an owner that is none is refused before the run begins: %s, %s', (command, runtime) => {
  const output = join(dir, `stranger-${command}-${runtime}`);
  const samples = ['Who?', { owner: 'Sdu', question: 'Who?' }];
  const data = ['Nord', 'Süd'].map((owner) => join(dir, `${owner}.jsonl`));
  for (const path of data) writeFileSync(path, `${JSON.stringify({ instruction: 'a', output: 'b' })}\n`.repeat(20));
  const settings = { ...SETTINGS, data, partition: 'natural', num_clients: null, min_examples: 1 };
  writeFileSync(`${output}.yaml`, JSON.stringify({ ...settings, runtime, samples, output_dir: output }));
  const { status, stderr } = spawnSync(process.execPath, [main, command, `${output}.yaml`], { encoding: 'utf8' });
  expect(stderr).toContain('samples) of this run\'s owners (Nord, Süd) but received one of "Sdu". Did you mean "Süd"?');
  expect(status).toBe(2);
  expect(existsSync(output)).toBe(false);
});
