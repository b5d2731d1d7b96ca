#!/usr/bin/env node
// Compares the methods: a sweep over methods, partitions and seeds that can be stopped and continued at any time.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { getCell, tuneRow } from './lib/methodsCells.mjs';
import { withMeasured } from './lib/methodsDoc.mjs';
import { partSettings } from './lib/methodsParts.mjs';
import { selectRows } from './lib/methodsRows.mjs';
import { methodsMarkdown, summarisePart } from './lib/methodsTable.mjs';
import { RESULTS, ROOT } from './lib/paths.mjs';

const USAGE = `npm run bench:methods -- [options]
  --part LIST       embedded, embedded-iid, embedded-dirichlet, topics, conventions (default embedded)
  --methods LIST    ids of rows, or the sets all, core, ablations (default all)
  --seeds LIST      default 1,2,3
  --tune            tune the learning rate and each row's own rates on the validation splits (default for embedded)
  --grid LIST       learning rates to try (default by part)
  --learning-rate X of a part that is not tuned
  --model PATH      base model of topics and conventions
  --data PATTERN    Dolly's JSON files, for topics and conventions
  --workers N       worker threads (default one a core)
  --out DIR         where methods.json and methods.md go (default benchmarks/results)
  --quick           tiny budget, one seed: shows that it works, says nothing
  --report          run nothing, write the tables of what is finished
The tables go to DIR and, where DIR is the default, into docs/methods.md.
Finished cells lie in benchmarks/results/methods-cells and are not run again; delete them after a change of a method.`;

function readOptions() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    options: {
      part: { ...text, default: 'embedded' },
      methods: { ...text, default: 'all' },
      seeds: text,
      grid: text,
      'learning-rate': text,
      model: text,
      data: text,
      workers: text,
      out: { ...text, default: RESULTS },
      tune: flag,
      quick: flag,
      report: flag,
      help: flag,
    },
  });
  const numbers = (list) => list?.split(',').map(Number);
  return {
    ...values,
    parts: values.part.split(','),
    rows: selectRows(values.methods),
    seeds: numbers(values.seeds) ?? (values.quick ? [1] : [1, 2, 3]),
    grid: numbers(values.grid),
    learningRate: values['learning-rate'] === undefined ? undefined : Number(values['learning-rate']),
    workers: values.workers === undefined ? null : Number(values.workers),
  };
}

const log = (line) => process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${line}\n`);

/** Runs (or reads) every cell of a part, seed by seed, tuning before the first. */
async function sweepPart(part, options, signal) {
  const common = { run: !options.report, workers: options.workers, signal, log };
  const fixed = ({ grid }) => Object.fromEntries(Object.entries(part.untuned).filter(([key]) => key in grid));
  const rows = options.rows.map((entry) => ({ entry, cells: [], tuned: fixed(entry), tried: [] }));
  const write = () => writeResults(part, rows, options);
  try {
    for (const row of part.tune ? rows : []) {
      const found = await tuneRow(part, row.entry, { ...common, seed: options.seeds[0] });
      row.tuned = found?.chosen ?? null;
      row.tried = found?.tried ?? [];
    }
    for (const seed of options.seeds) {
      for (const row of rows.filter(({ tuned }) => tuned !== null)) {
        const cell = await getCell(part, row.entry, { ...common, seed, tuned: row.tuned });
        if (cell) row.cells.push(cell);
      }
      write();
    }
  } finally {
    write();
  }
}

/** Replaces this part in the results; the other parts stay. */
function writeResults(part, rows, options) {
  if (rows.every(({ cells }) => cells.length === 0)) return;
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, options.quick ? 'methods-quick.json' : 'methods.json');
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).parts : [];
  const parts = [...before.filter((other) => other.part !== part.name), summarisePart(part, rows)];
  writeFileSync(file, `${JSON.stringify({ version: 1, parts }, null, 1)}\n`);
  writeFileSync(file.replace(/json$/, 'md'), methodsMarkdown(parts));
  if (options.quick || options.out !== RESULTS) return;
  const page = join(ROOT, 'docs/methods.md');
  writeFileSync(page, withMeasured(readFileSync(page, 'utf8'), parts));
}

async function main() {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  for (const name of options.parts) await sweepPart(await partSettings(name, options), options, stop.signal);
  log(`written: ${options.out}/methods${options.quick ? '-quick' : ''}.{json,md}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error.code === 'INTERRUPTED' ? 'Stopped; run it again to go on.' : error.message}\n`);
  process.exitCode = error.code === 'INTERRUPTED' ? 130 : 1;
}
