#!/usr/bin/env node
// What `npm start` claims, over seeds, against tuned references, and with the data dealt out at random as control.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { runCell, STEPS } from './lib/demoCells.mjs';
import { demoMarkdown, ownerPerplexities, ROWS, summary, VARIANTS } from './lib/demoTable.mjs';
import { mean } from './lib/methodsStats.mjs';
import { resultFile } from './lib/resultFile.mjs';

const USAGE = `npm run bench:demo -- [options]
  --minutes N   stop before a cell that would begin later than this; run again to go on
  --workers N   worker threads (default one a core)
  --report      run nothing, write the table of what is finished, with the rates that were tried
Cells lie in benchmarks/results/demo.json and are not run again; delete it after a change of a method or of the data.`;

const SEEDS = [1, 2, 3];
const RATES = [6.25e-4, 1.25e-3, 2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2];
/** Where the climb begins. */
const guess = (run) => (run.startsWith('perfit') ? 1e-2 : 5e-3);
const PARTITIONS = ['natural', 'iid'];

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string' },
    workers: { type: 'string' },
    report: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit();
}

const file = resultFile('demo', {
  quick: false,
  empty: { cpu: cpus()[0]?.model.trim(), seeds: SEEDS, steps: STEPS, parts: {}, missing: [], cells: {} },
  render: (content) => (content.parts.iid ? demoMarkdown(content) : 'Not finished.\n'),
});
const { cells } = file.content;
file.content.missing = [];
const begun = performance.now();

class OutOfTime extends Error {}

/** A finished cell, or run now; nothing where it is not finished and `--report` is given. */
async function cellOf(partition, run, rate, seed) {
  const key = `${partition}/${run}/${rate}/${seed}`;
  if (cells[key]) return cells[key];
  if (options.report) {
    file.content.missing.push(key);
    return undefined;
  }
  const minutes = (performance.now() - begun) / 60e3;
  if (minutes > Number(options.minutes ?? Number.POSITIVE_INFINITY)) throw new OutOfTime(key);
  cells[key] = await runCell({ run, partition, rate, seed, workers: Number(options.workers) || undefined });
  file.save();
  console.log(`${key} after ${((performance.now() - begun) / 1e3).toFixed(0)} s`);
  return cells[key];
}

/** The rate of the lowest macro perplexity on validation; the climb goes on until both neighbours are worse. */
async function climb(run) {
  const tried = new Map();
  const score = async (rate) => {
    const cell = await cellOf('natural', run, rate, SEEDS[0]);
    if (cell) tried.set(rate, mean(ownerPerplexities(cell, 'home', ['valid'])));
    return tried.get(rate) ?? Number.POSITIVE_INFINITY;
  };
  let at = RATES.indexOf(guess(run));
  for (;;) {
    const near = [at - 1, at, at + 1];
    if (RATES[near[0]] === undefined || RATES[near[2]] === undefined)
      throw new Error(`${run}: rates end at ${RATES[at]}.`);
    const scores = [];
    for (const i of near) scores.push(await score(RATES[i]));
    const best = near[scores.indexOf(Math.min(...scores))];
    if (best === at || tried.size === 0)
      return { run, rate: RATES[at], valid: scores[1], tried: [...tried.keys()].sort((a, b) => a - b) };
    at = best;
  }
}

/** The run and the rate of a method that are best on validation. */
async function tuned(method) {
  const choices = [];
  for (const run of VARIANTS[method] ?? [method]) choices.push(await climb(run));
  return choices.reduce((a, b) => (b.valid < a.valid ? b : a));
}

async function part(partition) {
  const rows = [];
  let locals;
  for (const { id, method, report } of ROWS) {
    const choice = await tuned(method);
    const ofRow = [];
    for (const seed of SEEDS) ofRow.push(await cellOf(partition, choice.run, choice.rate, seed));
    locals ??= ofRow;
    const both = [...ofRow.keys()].filter((i) => ofRow[i] && locals[i]);
    const pick = (of) => both.map((i) => of[i]);
    if (both.length > 0) rows.push({ id, choice, ...summary(pick(ofRow), pick(locals), report) });
  }
  file.content.parts[partition] = { rows };
  file.save();
}

try {
  for (const partition of PARTITIONS) await part(partition);
  console.log(`written: ${file.markdown}`);
} catch (error) {
  if (!(error instanceof OutOfTime)) throw error;
  console.log(`to be run: ${error.message}`);
  process.exitCode = 3;
}
