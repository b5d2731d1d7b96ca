/**
 * `npm run check:precision -- --model FILE.gguf --data PATTERN`: one federation twice, in int8 and in f32. The validation loss
 * agrees within half a percent at every evaluation. Writes benchmarks/results/precision.{json,md}.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from './lib/markdown.mjs';
import { library } from './lib/paths.mjs';
import { resultFile } from './lib/resultFile.mjs';
import { startTicker } from './lib/ticker.mjs';

const HELP = `Usage: npm run check:precision -- [options]
  --model PATH, --data PATH   default: the embedded ones
  --rounds N                  default 6
  --local-steps N             default 5
  --kernels SET               default auto
  --set KEY=VALUE             any other key of the run file; may come more than once
  --quick                     two rounds of one step; written to benchmarks/.cache/quick`;

/** Share by which the loss of int8 may differ from that of f32. */
const LIMIT = 0.005;

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'embedded' },
    data: { type: 'string', default: 'embedded' },
    rounds: { type: 'string' },
    'local-steps': { type: 'string' },
    kernels: { type: 'string', default: 'auto' },
    set: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}

const { parse } = await import('yaml');
const { parseConfig } = await library('config/parse.js');
const { runFederation } = await library('run/runFederation.js');

function settings() {
  const own = options.data === 'embedded';
  const extra = options.set.map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), parse(pair.slice(at + 1))];
  });
  return {
    model: options.model,
    data: options.data,
    partition: own ? 'natural' : 'category',
    method: 'fedavg',
    num_rounds: Number(options.rounds ?? (options.quick ? 2 : 6)),
    local_steps: Number(options['local-steps'] ?? (options.quick ? 1 : 5)),
    batch_size: 4,
    learning_rate: 1e-3,
    seq_length: 160,
    on_long: 'drop',
    ...(options.model === 'embedded' ? {} : { template: 'chatml' }),
    max_train_examples: 40,
    max_test_examples: 16,
    eval_every: 1,
    also_local: false,
    kernels: options.kernels,
    ...Object.fromEntries(extra),
  };
}

/** Mean loss over the clients at each evaluation: the shared adapter's, before the first round the base's. */
async function curve(precision, folder) {
  const ticker = startTicker(precision);
  const onProgress = (progress) => {
    if (progress.kind === 'round') ticker.line(`round ${progress.round} of ${progress.numRounds}`);
  };
  const config = parseConfig({ ...settings(), precision, output_dir: join(folder, precision) });
  const { finished } = await runFederation({ config, onProgress });
  console.error(`${precision}: ${ticker.stop().toFixed(0)} s`);
  return finished.state.evaluations.map(({ round, split, macro, weighted }) => {
    const which = macro.global === undefined ? 'base' : 'global';
    return { round, split, which, macro: macro[which].nll, weighted: weighted[which].nll };
  });
}

const folder = mkdtempSync(join(tmpdir(), 'fedtune-precision-'));
const f32 = await curve('f32', folder);
const int8 = await curve('int8', folder);
const difference = (key, i) => Math.abs(int8[i][key] - f32[i][key]) / f32[i][key];
const rows = f32.map((point, i) => ({
  ...point,
  int8: { macro: int8[i].macro, weighted: int8[i].weighted },
  difference: { macro: difference('macro', i), weighted: difference('weighted', i) },
}));
const worst = Math.max(...rows.flatMap((row) => Object.values(row.difference)));

function render({ runs }) {
  const parts = Object.entries(runs).map(([name, run]) => {
    const cells = run.rows.map((row) => [
      row.round,
      row.macro.toFixed(5),
      row.int8.macro.toFixed(5),
      `${(100 * row.difference.macro).toFixed(3)} %`,
      `${(100 * row.difference.weighted).toFixed(3)} %`,
    ]);
    const headings = ['round', 'f32', 'int8', 'difference', 'difference, weighted by tokens'];
    const split = run.rows[0].split === 'valid' ? 'validation' : 'test';
    return [
      `## ${name}`,
      '',
      `${run.date}, kernels ${run.kernels}: mean ${split} loss over the owners at each evaluation; largest difference ${(100 * run.worst).toFixed(3)} % (wanted: at most ${100 * LIMIT} %).`,
      '',
      table(headings, cells),
    ].join('\n');
  });
  return `# One federation in int8 and in f32\n\nMade by \`npm run check:precision\`.\n\n${parts.join('\n\n')}\n`;
}

const results = resultFile('precision', { quick: options.quick, empty: { version: 1, runs: {} }, render });
const name = options.model === 'embedded' ? 'embedded model' : basename(options.model);
const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
results.content.runs[name] = { date, kernels: options.kernels, settings: settings(), rows, worst };
results.save();
console.log(render(results.content));
console.error(`Written to ${results.markdown}`);
process.exitCode = worst <= LIMIT ? 0 : 1;
