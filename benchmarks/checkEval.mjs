/**
 * `npm run check:eval`: what `fedtune eval` says against transformers + PEFT (answers in a chat format by owner; the sliding windows of
 * transformers' documentation) and against lm-evaluation-harness (multiple choice; rolling perplexity), in f32, for a base and two
 * adapters. A small random model; `--gguf FILE` takes a real one (llama, qwen2 or qwen3).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './lib/paths.mjs';
import { runPython } from './peers/python.mjs';

const { values: options } = parseArgs({
  options: {
    gguf: { type: 'string' },
    rows: { type: 'string', default: '12' },
    characters: { type: 'string', default: '6000' },
    tolerance: { type: 'string', default: '1e-3' },
  },
});
const OWNERS = ['hollow-lane-upkeep', 'castle-street-keys'];
const WINDOW = 200;
const STRIDE = 75;

const folder = mkdtempSync(join(tmpdir(), 'fedtune-eval-'));
const at = (...names) => join(folder, ...names);

const linesOf = (path) => readFileSync(path, 'utf8').trim().split('\n');

/** The first test rows of two owners, and questions whose choices are answers to several of them. */
function writeData() {
  mkdirSync(at('data'));
  const rows = [];
  for (const owner of OWNERS) {
    const lines = linesOf(join(ROOT, 'datasets/owners', owner, 'test.jsonl')).slice(0, Number(options.rows));
    writeFileSync(at('data', `${owner}.jsonl`), `${lines.join('\n')}\n`);
    rows.push(...lines.map((line) => JSON.parse(line)));
  }
  const questions = rows.map(({ instruction, input }, i) => ({
    question: `${instruction}\n${input}`.trim(),
    choices: [0, 1, 2, 3].map((k) => rows[(i + k * 5) % rows.length].output.slice(0, 30 + 10 * k).trim()),
    answer: i % 4,
  }));
  writeFileSync(at('questions.jsonl'), `${questions.map((question) => JSON.stringify(question)).join('\n')}\n`);
  const text = readFileSync(join(ROOT, 'docs/ARCHITECTURE.md'), 'utf8').slice(0, Number(options.characters)).trimEnd();
  writeFileSync(at('text.txt'), text);
}

function fedtune(model, ...more) {
  const main = join(ROOT, 'dist/cli/main.js');
  const args = ['eval', '--model', model, '--adapter', ...job.adapters, '--precision', 'f32', '--json', ...more];
  return JSON.parse(execFileSync(process.execPath, [main, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 }));
}

const job = {
  gguf: options.gguf === undefined ? null : resolve(options.gguf),
  model: at('model'),
  adapters: [at('first'), at('second')],
  data: Object.fromEntries(OWNERS.map((owner) => [owner, at('data', `${owner}.jsonl`)])),
  text: at('text.txt'),
  pages: at('pages.jsonl'),
  questions: at('questions.jsonl'),
  window: WINDOW,
  stride: STRIDE,
};
writeData();
writeFileSync(at('job.json'), JSON.stringify(job));
await runPython('check_eval.py', ['make', at('job.json')]);
const windows = ['--text', job.text, '--window', `${WINDOW}`];
const answersAndWindows = ['--data', at('data'), '--split', 'all', ...windows, '--stride', `${STRIDE}`];
const scored = fedtune(job.model, ...answersAndWindows);
// The file itself too: its own weights, tokenizer and chat format.
const scoredFile = job.gguf === null ? undefined : fedtune(job.gguf, ...answersAndWindows);
const rolling = fedtune(job.model, ...windows, '--rolling', '--choices', job.questions, '--out', at('choices.jsonl'));
const theirs = await runPython('check_eval.py', ['score', at('job.json')]);

let failed = 0;
function check(what, ours, expected) {
  const difference = Math.abs(ours - expected);
  const good = difference < Number(options.tolerance);
  if (!good) failed++;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${what}: ${ours} and ${expected}, apart by ${difference.toExponential(1)}`);
}

const mean = (examples) =>
  examples.reduce((sum, { nll }) => sum + nll, 0) / examples.reduce((sum, { targets }) => sum + targets, 0);
const choiceLines = linesOf(at('choices.jsonl'))
  .map((line) => JSON.parse(line))
  .filter(({ set }) => set === 'choices');
for (const [i, { examples, sliding, harness }] of Object.values(theirs).entries()) {
  const label = i === 0 ? 'base' : `adapter ${i}`;
  const { all, owners } = scored.data.results[i];
  check(
    `${label}, transformers: target tokens`,
    all.tokens,
    examples.reduce((sum, { targets }) => sum + targets, 0),
  );
  check(`${label}, transformers: loss of all answers`, all.nll, mean(examples));
  for (const owner of OWNERS)
    check(
      `${label}, transformers: loss of ${owner}`,
      owners[owner].nll,
      mean(examples.filter((one) => one.owner === owner)),
    );
  check(`${label}, transformers: sliding windows, tokens`, scored.text.results[i].all.tokens, sliding.tokens);
  check(`${label}, transformers: sliding windows, loss`, scored.text.results[i].all.nll, sliding.nll);
  console.log(`     (with the counts of transformers' page: ${sliding.recipe})`);
  if (scoredFile !== undefined) {
    check(`${label}, transformers: loss of all answers, GGUF file`, scoredFile.data.results[i].all.nll, mean(examples));
    check(`${label}, transformers: sliding windows, loss, GGUF file`, scoredFile.text.results[i].all.nll, sliding.nll);
  }
  const { accuracy, accuracy_norm } = rolling.choices.results[i].all;
  check(`${label}, lm-eval: acc`, accuracy.value, harness.acc);
  check(`${label}, lm-eval: acc_norm`, accuracy_norm.value, harness.acc_norm);
  const apart = choiceLines.flatMap(({ answers }, q) =>
    Object.values(answers)[i].nll.map((nll, k) => Math.abs(nll - harness.choices[q][k])),
  );
  check(`${label}, lm-eval: largest difference of ${apart.length} log-likelihoods`, Math.max(...apart), 0);
  const text = rolling.text.results[i];
  check(`${label}, lm-eval: bits_per_byte`, text.bits_per_byte, harness.bits_per_byte);
  check(`${label}, lm-eval: log of byte_perplexity`, Math.log(text.byte_ppl), Math.log(harness.byte_perplexity));
  check(`${label}, lm-eval: log of word_perplexity`, Math.log(text.word_ppl), Math.log(harness.word_perplexity));
}
rmSync(folder, { recursive: true, force: true });
process.exitCode = failed === 0 ? 0 : 1;
