import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { equalBudget } from './methodsRows.mjs';
import { CACHE, library, RESULTS } from './paths.mjs';

/** Finished cells are kept with the table that is made of them; trials of `--quick` are not. */
const cellsFolder = (part) => join(part.quick ? join(CACHE, 'methods') : RESULTS, 'methods-cells', part.name);

/** The run file of one cell; equal settings give an equal cell, whatever machine or number of workers ran it. */
export function cellConfig(part, entry, seed, tuned) {
  return {
    ...part.config,
    ...equalBudget(entry, part.plan),
    batch_size: part.plan.batch,
    learning_rate: part.learningRate,
    ...entry.settings,
    ...tuned,
    seed,
  };
}

/** A run file as it is kept: base and data by their names, wherever they lie on a machine. */
const named = (config) => ({ ...config, model: basename(config.model), data: basename(config.data) });

function cellFile(part, entry, config) {
  const hash = createHash('sha256')
    .update(JSON.stringify(named(config)))
    .digest('hex')
    .slice(0, 12);
  return join(cellsFolder(part), `${entry.id}-${hash}.json`);
}

/** Per client and kind of adapter: NLL sums and target tokens of the test examples, as the owners left them. */
function testScores({ dir, owners }) {
  const byClient = {};
  for (const { id, folder } of owners) {
    const lines = readFileSync(join(dir, 'owners', folder, 'scores.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    const examples = lines.map((line) => JSON.parse(line)).filter(({ split }) => split === 'test');
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

/** Macro perplexity on the validation splits of the adapter that the row reports. */
export function validPerplexity(cell, entry) {
  if (cell.error) return Number.POSITIVE_INFINITY;
  const scores = cell.metrics.clients.map(({ valid }) => valid[entry.report]?.ppl ?? Number.NaN);
  return scores.reduce((sum, ppl) => sum + ppl, 0) / scores.length;
}

/** The result of a cell, from its file or by running it; `null` where it has no file and `run` is false. */
export async function getCell(part, entry, { seed, tuned, run, workers, signal, log }) {
  const config = cellConfig(part, entry, seed, tuned);
  const file = cellFile(part, entry, config);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  if (!run) return null;
  const { parseConfig } = await library('config/parse.js');
  const { runFederation } = await library('run/runFederation.js');
  log(`${part.name}  ${entry.id}  seed ${seed}  ${JSON.stringify(tuned)}`);
  const output = join(CACHE, 'methods', `run-${part.name}`);
  const cell = { part: part.name, row: entry.id, seed, tuned, config: named(config), cpu: cpus()[0]?.model.trim() };
  try {
    const parsed = parseConfig({ ...config, workers, output_dir: output });
    const result = await runFederation({ config: parsed, overwrite: true, signal });
    Object.assign(cell, { metrics: { ...result.metrics, evaluations: undefined }, test: testScores(result) });
  } catch (error) {
    if (error.code === 'INTERRUPTED') throw error;
    // A setting that diverges is a result of the sweep: it is kept, and named in the table.
    if (!['DIVERGED', 'NON_FINITE', 'TOO_FEW_CLIENTS', 'EQUAL_SCORES'].includes(error.code)) throw error;
    Object.assign(cell, { error: `${error.code}: ${error.message}` });
  }
  mkdirSync(cellsFolder(part), { recursive: true });
  writeFileSync(`${file}.tmp`, JSON.stringify(cell));
  renameSync(`${file}.tmp`, file);
  return cell;
}

/**
 * Tunes a row on the validation splits, one key after the other: the learning rate over the part's grid, then what the row
 * itself has, each at the best of those before. Returns the chosen values and every score seen.
 */
export async function tuneRow(part, entry, options) {
  const chosen = {};
  const tried = [];
  for (const [key, grid] of Object.entries({ learning_rate: part.grid, ...entry.grid })) {
    let best = { ppl: Number.POSITIVE_INFINITY, value: grid[0] };
    for (const value of grid) {
      const tuned = { ...chosen, [key]: value };
      const cell = await getCell(part, entry, { ...options, tuned });
      if (!cell) return null;
      const ppl = validPerplexity(cell, entry);
      tried.push({ ...tuned, valid_ppl: ppl });
      if (ppl < best.ppl) best = { ppl, value };
    }
    chosen[key] = best.value;
  }
  return { chosen, tried };
}
