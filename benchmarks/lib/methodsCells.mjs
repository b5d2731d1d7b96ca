import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { recallScores, rememberScores } from './methodsBase.mjs';
import { equalBudget, firstRounds } from './methodsBudget.mjs';
import { CACHE, library, RESULTS } from './paths.mjs';

/** More than any owner has: where nothing is to be left out. */
const ALL = 100_000;

/**
 * What a cell scores. `tune`: validation after every round, and of the test split a single example, as a run needs one.
 * `test`: the test split at the end, nothing in between. `probe`: a few examples, see methodsProbe.mjs.
 */
const PHASES = {
  tune: ({ max_valid_examples }) => ({
    eval_every: 1,
    max_valid_examples: max_valid_examples ?? ALL,
    max_test_examples: 1,
  }),
  test: () => ({ eval_every: 0 }),
};

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** The rank of each owner, where the row has unlike ones. */
function unlikeRanks({ config, counts }, { ranks }) {
  if (!ranks) return {};
  const owners = config.num_clients ?? counts.owners;
  return { rank_per_client: Array.from({ length: owners }, (_, i) => ranks[i % ranks.length]) };
}

/** The run file of one cell. `tuned`: what was chosen or is tried. */
export function cellConfig(part, entry, { seed, tuned, phase }) {
  const budget = equalBudget(entry, part.plan);
  return {
    ...part.config,
    ...budget,
    batch_size: part.plan.batch,
    learning_rate: part.grid[Math.floor(part.grid.length / 2)],
    ...entry.settings,
    ...unlikeRanks(part, entry),
    ...tuned,
    ...firstRounds(budget, tuned.num_rounds ?? budget.num_rounds),
    ...PHASES[phase](part.config),
    seed,
  };
}

/** A run file as it is kept: base and data by their names, wherever they lie on a machine. */
const named = (config) => ({ ...config, model: basename(config.model), data: basename(config.data) });

/** Finished cells are kept with the table that is made of them; trials of `--quick` are not. */
const cellsFolder = (part) => join(part.quick ? join(CACHE, 'methods') : RESULTS, 'methods-cells', part.name);

/** All that decides a cell's result: its settings, the data and the base by their content, and what engine and method compute. */
export function cellKey(part, config, probe) {
  return {
    config: named(config),
    data_sha256: part.dataSha256,
    model_sha256: probe.model_sha256,
    kernels: probe.kernels,
    probe: probe.digest,
  };
}

/** Rows that differ in the adapter that counts have their cells in common. */
const cellFile = (part, key) =>
  join(cellsFolder(part), `${key.config.method}-${sha256(JSON.stringify(key)).slice(0, 16)}.json`);

/** Lines of a file of the run folder. */
const readLines = (...path) =>
  readFileSync(join(...path), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Per owner and kind of adapter: NLL sums and target tokens of the test examples in the order of their ids, which no seed changes. */
function testScores({ dir, owners }) {
  const byClient = {};
  for (const { id, folder } of owners) {
    const examples = readLines(dir, 'owners', folder, 'scores.jsonl')
      .filter(({ split }) => split === 'test')
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    byClient[id] = {};
    for (const which of Object.keys(examples[0]?.nll ?? {})) {
      byClient[id][which] = {
        nll: examples.map(({ nll }) => Number(nll[which].toPrecision(9))),
        tokens: examples.map(({ targets }) => targets),
      };
    }
  }
  return byClient;
}

/** Bytes (both ways) and training and search tokens of each round. */
function roundCosts({ dir }) {
  const events = readLines(dir, 'events.jsonl');
  const work = events.filter(({ type }) => type === 'client');
  return events
    .filter(({ type }) => type === 'round')
    .map(({ round, bytes_up, bytes_down }) => ({
      round,
      bytes: bytes_up + bytes_down,
      tokens: work
        .filter((one) => one.round === round)
        .reduce((sum, { tokens }) => sum + (tokens?.train ?? 0) + (tokens?.search ?? 0), 0),
    }));
}

/** Runs a run file of the sweep, in a folder that the next one takes over. The base is scored once for equal examples. */
export async function runConfig(part, config, { workers, threads, signal, onProgress }) {
  const { parseConfig } = await library('config/parse.js');
  const { runFederation } = await library('run/runFederation.js');
  const output = join(CACHE, 'methods', `run-${part.name}-${process.pid}`);
  const { seed, max_train_examples: train, max_valid_examples: valid, max_test_examples: test } = config;
  const examples = JSON.stringify([part.name, seed, train, valid, test]);
  const result = await runFederation({
    config: parseConfig({ ...config, workers, threads, output_dir: output }),
    overwrite: true,
    signal,
    onProgress(progress) {
      if (progress.kind === 'prepared') recallScores(output, examples);
      onProgress?.(progress);
    },
  });
  rememberScores(output, examples);
  return result;
}

/** What a run of the sweep gave, or the error that is its result: a setting that diverges is named in the table. */
async function measure(part, config, options) {
  try {
    const result = await runConfig(part, config, options);
    return { metrics: result.metrics, test: testScores(result), rounds: roundCosts(result) };
  } catch (error) {
    if (!['DIVERGED', 'NON_FINITE', 'TOO_FEW_CLIENTS', 'EQUAL_SCORES'].includes(error.code)) throw error;
    return { error: `${error.code}: ${error.message}` };
  }
}

/** Whether a cell is there already. */
export function hasCell(part, entry, what, probe) {
  return existsSync(cellFile(part, cellKey(part, cellConfig(part, entry, what), probe)));
}

/** The result of a cell, from its file or by running it; `null` where it has no file and `run` is false. */
export async function getCell(part, entry, what, options) {
  const config = cellConfig(part, entry, what);
  const key = cellKey(part, config, options.probe);
  const file = cellFile(part, key);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  if (!options.run) return null;
  options.begin(part, entry, what);
  const began = performance.now();
  const result = await measure(part, config, options);
  const cell = { part: part.name, ...what, key, cpu: cpus()[0]?.model.trim(), ...result };
  options.end((performance.now() - began) / 1000);
  mkdirSync(cellsFolder(part), { recursive: true });
  writeFileSync(`${file}.tmp`, JSON.stringify(cell));
  renameSync(`${file}.tmp`, file);
  return cell;
}
