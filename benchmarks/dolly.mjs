#!/usr/bin/env node
// The commands of README's section on a real model, as they stand there: what they take and what the owners get.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { dollyLines, runLine } from './lib/dollyLines.mjs';
import { describeMachine } from './lib/machine.mjs';
import { bytes, machineLines, number, table } from './lib/markdown.mjs';
import { resultFile } from './lib/resultFile.mjs';

const USAGE = `npm run bench:dolly -- [options]
  --model FILE  take this base instead of the one on the hub
  --data FILES  take these rows instead of those on the hub
  --beside      say in the result that the machine had other work to do
  --report      run nothing, write the page of what was measured anew`;

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    beside: { type: 'boolean' },
    report: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit();
}

const count = (value) => value.toLocaleString('en');

/** Of base and data, what stands in README and what was taken in its place. */
const PLACES = { model: /hf:QuantFactory\S+/, data: /hf:databricks\S+/ };

function lineHere(line) {
  let here = line;
  for (const [key, place] of Object.entries(PLACES)) {
    if (options[key] !== undefined) here = here.replace(place, `'${resolve(options[key])}'`);
  }
  return here;
}

const KINDS = ['base', 'local', 'global', 'tuned', 'take_home'];

function render({ machine, beside, local, lines, metrics, answers }) {
  const { clients, macro, timing, model, tokens, seed } = metrics;
  const cells = (scores) => KINDS.map((kind) => number(scores[kind]?.ppl));
  const rows = clients.map((owner) => [
    owner.id,
    owner.num_train,
    owner.num_test,
    ...cells(owner),
    owner.take_home.which,
  ]);
  const against = (sign) => clients.filter((owner) => Math.sign(owner.take_home.ppl - owner.local.ppl) === sign).length;
  const where =
    local.length === 0 ? 'from the hub' : `${local.join(' and ')} from a file of the same content, not from the hub`;
  return `# SmolLM2-135M-Instruct on Dolly, an owner a category

The commands of README's section "A real model", by \`npm run bench:dolly\`. One seed (${seed}), a small budget, nothing tuned; ${where}.
Base: sha256 ${model.sha256}. Perplexity on test examples of the owners, lower is better.

${machineLines(machine).join('\n')}${beside ? '\n- beside other work, so the times are longer than on a quiet machine' : ''}

${table(['owner', 'train', 'test', 'base', 'local', 'global', 'tuned', 'takes home', 'which'], [...rows, ['mean of owners', '', '', ...cells(macro), '']])}

What is taken home, which each owner chooses on its validation examples, is better than training alone for ${against(-1)} of ${clients.length} owners, the same for
${against(0)} and worse for ${against(1)}. The mean of owners is ${number(macro.take_home.ppl)} against ${number(macro.local.ppl)} alone and ${number(macro.base.ppl)} of the base. One seed and so few examples
cannot tell a difference of some percent from chance.

| command | seconds |
| --- | ---: |
${lines.map(({ line, seconds }) => `| \`${/^npx fedtune \S+/.exec(line)[0]}\` | ${number(seconds)} |`).join('\n')}

The run: ${number(timing.seconds)} s with ${timing.workers} workers, kernels ${timing.kernels}, peak ${bytes(timing.peak_rss_bytes)}; ${count(tokens.train + (tokens.local ?? 0) + (tokens.tune ?? 0))} tokens trained, ${count(tokens.eval)} scored.

The last command printed:

\`\`\`
${answers.trim()}
\`\`\`
`;
}

async function measure() {
  const folder = mkdtempSync(join(tmpdir(), 'fedtune-dolly-'));
  try {
    const lines = [];
    let answers = '';
    for (const line of dollyLines()) {
      console.log(`$ ${line}`);
      const onText = (text) => process.stdout.write(text);
      const { seconds, output } = await runLine(lineHere(line), { cwd: folder, onText });
      lines.push({ line, seconds });
      answers = output;
    }
    const metrics = JSON.parse(readFileSync(join(folder, 'runs/dolly/metrics.json'), 'utf8'));
    const machine = await describeMachine(metrics.timing.workers * metrics.timing.threads, false);
    const local = ['model', 'data'].filter((key) => options[key] !== undefined);
    return { machine, beside: options.beside === true, local, lines, metrics, answers };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const file = resultFile('dolly', { quick: false, empty: {}, render });
if (!options.report) Object.assign(file.content, await measure());
file.save();
console.log(`written: ${file.markdown}`);
