/**
 * `npm run check:precision -- --model FILE.gguf --data PATTERN`: one federation in f32, int8 and int4. The validation loss of
 * int8 agrees with that of f32 within half a percent at every evaluation, that of int4 within five. Writes benchmarks/results/precision.{json,md}.
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

/** Share by which a loss may differ from that of f32. */
const LIMITS = { int8: 0.005, int4: 0.05 };

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
  const { metrics } = await runFederation({ config, onProgress });
  console.error(`${precision}: ${ticker.stop().toFixed(0)} s`);
  return metrics.evaluations.map(({ round, split, macro, weighted }) => {
    const which = macro.global === undefined ? 'base' : 'global';
    return { round, split, which, macro: macro[which].nll, weighted: weighted[which].nll };
  });
}

const folder = mkdtempSync(join(tmpdir(), 'fedtune-precision-'));
const rows = await curve('f32', folder);
for (const precision of Object.keys(LIMITS))
  for (const [i, { macro, weighted }] of (await curve(precision, folder)).entries())
    rows[i][precision] = { macro, weighted };

const difference = (row, precision, key) => Math.abs(row[precision][key] - row[key]) / row[key];
const worst = (run, precision) =>
  Math.max(...run.rows.flatMap((row) => ['macro', 'weighted'].map((key) => difference(row, precision, key))));
/** The precisions of a run: before int4 there was int8 alone. */
const precisionsOf = (run) => Object.keys(LIMITS).filter((precision) => precision in run.rows[0]);
const percent = (share) => `${(100 * share).toFixed(3)} %`;

function render({ runs }) {
  const parts = Object.entries(runs).map(([name, run]) => {
    const precisions = precisionsOf(run);
    const cells = run.rows.map((row) => [
      row.round,
      row.macro.toFixed(5),
      ...precisions.flatMap((precision) => [
        row[precision].macro.toFixed(5),
        ...['macro', 'weighted'].map((key) => percent(difference(row, precision, key))),
      ]),
    ]);
    const headings = [
      'round',
      'f32',
      ...precisions.flatMap((p) => [p, 'difference', 'difference, weighted by tokens']),
    ];
    const split = run.rows[0].split === 'valid' ? 'validation' : 'test';
    const largest = precisions.map(
      (p) => `${p} ${percent(worst(run, p))} (wanted: at most ${Number((100 * LIMITS[p]).toFixed(1))} %)`,
    );
    return [
      `## ${name}`,
      '',
      `${run.date}, kernels ${run.kernels}: mean ${split} loss over the owners at each evaluation; largest difference ${largest.join(', ')}.`,
      '',
      table(headings, cells),
    ].join('\n');
  });
  return `# One federation in f32, int8 and int4\n\nMade by \`npm run check:precision\`.\n\n${parts.join('\n\n')}\n`;
}

const results = resultFile('precision', { quick: options.quick, empty: { version: 1, runs: {} }, render });
const name = options.model === 'embedded' ? 'embedded model' : basename(options.model);
const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
const run = { date, kernels: options.kernels, settings: settings(), rows };
results.content.runs[name] = run;
results.save();
console.log(render(results.content));
console.error(`Written to ${results.markdown}`);
process.exitCode = precisionsOf(run).every((precision) => worst(run, precision) <= LIMITS[precision]) ? 0 : 1;
