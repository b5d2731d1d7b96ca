/**
 * `npm run check:answers`: ROUGE against the PyPI package rouge-score, accuracy and macro F1 against scikit-learn. Of what `fedtune eval`
 * says of the embedded base (`--gguf FILE`: another one), and of pairs of answers of the embedded data that share some of their words.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { scoreAnswer } from '../dist/eval/answerScores.js';
import { ROOT } from './lib/paths.mjs';
import { runPython } from './peers/python.mjs';

const { values: options } = parseArgs({
  options: {
    gguf: { type: 'string', default: 'embedded' },
    limit: { type: 'string', default: '4' },
    tolerance: { type: 'string', default: '1e-9' },
  },
});
const LABELS = ['yes', 'no', 'perhaps', 'never'];

const folder = mkdtempSync(join(tmpdir(), 'fedtune-answers-'));
const at = (name) => join(folder, name);
const linesOf = (path) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const writeLines = (path, rows) => writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'));

const rows = linesOf(join(ROOT, 'datasets/owners/castle-street-keys/train.jsonl'));
writeLines(
  at('classes.jsonl'),
  rows.slice(0, 40).map(({ instruction }, i) => ({ instruction, output: LABELS[(3 * i + (i >> 2)) % 4] })),
);
/** Answers of neighbours, one of them backwards by sentence, or cut. */
const pairs = rows.slice(1).map(({ output }, i) => {
  const before = rows[i].output;
  const mixed = [
    `${before} ${output}`,
    output
      .split(/(?<=[.,])/)
      .reverse()
      .join(' '),
    output.slice(0, 40).toUpperCase(),
  ];
  return { answer: mixed[i % 3], reference: output };
});
writeLines(at('pairs.jsonl'), pairs);

function fedtune(out, ...args) {
  const command = [
    join(ROOT, 'dist/cli/main.js'),
    'eval',
    '--model',
    options.gguf,
    ...args,
    '--out',
    at(out),
    '--json',
  ];
  return JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8', maxBuffer: 1 << 28 }));
}
const asked = ['--answers', 'embedded', '--limit', options.limit, '--max-tokens', '24', '--threads', '1'];
const { answers } = fedtune('answers.jsonl', ...asked);
const { classes } = fedtune('classified.jsonl', '--classify', at('classes.jsonl'));
const written = linesOf(at('answers.jsonl'));
const theirs = await runPython('check_answers.py', [at('answers.jsonl'), at('classified.jsonl'), at('pairs.jsonl')]);
rmSync(folder, { recursive: true, force: true });

let failed = 0;
function check(what, ours, expected) {
  const apart = Math.max(...ours.map((value, i) => Math.abs(value - expected[i])));
  const good = ours.length === expected.length && apart < Number(options.tolerance);
  if (!good) failed++;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  console.log(
    `${good ? 'ok  ' : 'FAIL'} ${what}: ${ours.length} of mean ${mean(ours)} and ${mean(expected)}, apart by ${apart.toExponential(1)} at most`,
  );
}
for (const key of ['rouge1', 'rougeL']) {
  check(
    `${key} of pairs`,
    pairs.map(({ answer, reference }) => scoreAnswer(answer, reference)[key]),
    theirs.pairs[key],
  );
  check(
    `${key} of written answers`,
    written.map((line) => line.answers.base[key]),
    theirs.written[key],
  );
  const sum = theirs.written[key].reduce((a, b) => a + b, 0);
  check(`${key}, mean`, [answers.results[0].all[key].value], [sum / written.length]);
}
check('accuracy', [classes.results[0].all.accuracy.value], [theirs.accuracy]);
check('macro F1', [classes.results[0].all.macro_f1.value], [theirs.macro_f1]);
process.exitCode = failed === 0 ? 0 : 1;
