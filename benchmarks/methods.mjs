#!/usr/bin/env node
// Compares the methods: a sweep over parts, methods and seeds that can be stopped and continued at any time.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cellConfig, getCell } from './lib/methodsCells.mjs';
import { withMeasured } from './lib/methodsDoc.mjs';
import { calibrate, cellSeconds, duration, missingCells } from './lib/methodsEstimate.mjs';
import { PART_IDS, partSettings } from './lib/methodsParts.mjs';
import { probeRow } from './lib/methodsProbe.mjs';
import { selectRows } from './lib/methodsRows.mjs';
import { methodsMarkdown, summarisePart } from './lib/methodsTable.mjs';
import { tuneRow } from './lib/methodsTune.mjs';
import { CACHE, RESULTS, ROOT } from './lib/paths.mjs';

const USAGE = `npm run bench:methods -- [options]
  --part LIST       ${PART_IDS.join(', ')} (default embedded)
  --methods LIST    ids of rows, or the sets all, core, small, ablations (default core)
  --seeds LIST      default 1,2,3; the first one tunes
  --grid LIST       learning rates to try, the same for every row; extended where the best lies at the edge
  --tune-all        tune each row's own keys as well (alpha, the server's rate)
  --model PATH      base of the parts that are not embedded: a GGUF file, hf:ID or embedded
  --data PATTERN    Dolly's JSON files, or of natural a folder with a file or folder an owner
  --owners N        owners (default: 8, of topics and mixed as many as there are categories, of natural all)
  --train N --valid N --test N   examples of an owner (default 40, 16, 60)
  --characters N    longest question with its answer (default 320)
  --rounds N --steps N --batch N   budget of an owner
  --workers N       worker threads (default one a core)
  --threads N       compute threads of a worker
  --out DIR         where methods.json and methods.md go (default benchmarks/results)
  --estimate        say how long it will take, run nothing else
  --quick           tiny budget, one seed: shows that it works, says nothing
  --report          run no cell, write the tables of what is finished
The tables go to DIR and, where DIR is the default, into docs/methods.md. Finished cells lie in benchmarks/results/methods-cells
and are not run again, unless data, base, kernels or what engine and methods compute have changed since. Long sweeps run in the
background: nohup npm run bench:methods -- ... > sweep.log &`;

const COUNTS = ['owners', 'train', 'valid', 'test', 'characters', 'rounds', 'steps', 'batch', 'workers', 'threads'];

function countOf(name, text) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`Expected --${name} to be a positive whole number but received "${text}".`);
}

function numbersOf(name, list) {
  const values = list?.split(',').map(Number);
  if (values?.every((value) => value > 0) ?? true) return values;
  throw new Error(`Expected --${name} to be positive numbers with commas between them but received "${list}".`);
}

const given = (entries) => Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));

function readOptions() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    options: {
      part: { ...text, default: 'embedded' },
      methods: { ...text, default: 'core' },
      seeds: text,
      grid: text,
      model: text,
      data: text,
      out: { ...text, default: RESULTS },
      'tune-all': flag,
      estimate: flag,
      quick: flag,
      report: flag,
      help: flag,
      ...Object.fromEntries(COUNTS.map((name) => [name, text])),
    },
  });
  const count = Object.fromEntries(COUNTS.map((name) => [name, countOf(name, values[name])]));
  const { train, valid, test, rounds, steps, batch } = count;
  return {
    ...values,
    ...count,
    sizes: given({ train, valid, test }),
    plan: given({ rounds, steps, batch }),
    parts: values.part.split(','),
    rows: selectRows(values.methods),
    seeds: numbersOf('seeds', values.seeds) ?? (values.quick ? [1] : [1, 2, 3]),
    grid: numbersOf('grid', values.grid),
    tuneAll: values['tune-all'],
    workers: count.workers ?? null,
    threads: count.threads ?? null,
  };
}

const log = (line) => process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${line}\n`);

/** Says which cell begins, and how long what is left will take at the pace of the cells so far. */
function makePace(part, speed) {
  const pace = { left: 0, ratio: 1, expected: 0 };
  return {
    expect: (seconds) => {
      pace.left += seconds;
    },
    begin(_, entry, what) {
      const { seed, tuned, phase } = what;
      pace.expected = speed ? cellSeconds(part, entry, cellConfig(part, entry, what), speed) : 0;
      const left = speed ? `; about ${duration(pace.left * pace.ratio)} left` : '';
      log(`${part.name}  ${entry.id}  ${phase}  seed ${seed}  ${JSON.stringify(tuned)}${left}`);
    },
    end(seconds) {
      pace.left = Math.max(0, pace.left - pace.expected);
      if (pace.expected > 0) pace.ratio = 0.8 * pace.ratio + (0.2 * seconds) / pace.expected;
    },
  };
}

/** Probes every row, and says how much there is to do and how long it will take. */
async function prepareRows(part, options) {
  const rows = [];
  for (const entry of options.rows) {
    rows.push({
      entry,
      probe: await probeRow(part, entry, options),
      cells: [],
      tuned: null,
      tried: [],
      best: undefined,
    });
  }
  const missing = [];
  for (const { entry, probe } of options.report ? [] : rows) {
    const cells = await missingCells(part, entry, { ...options, probe });
    missing.push(...cells.map((what) => ({ entry, config: cellConfig(part, entry, what) })));
  }
  if (missing.length === 0) {
    if (!options.report) log(`${part.name}: nothing is missing.`);
    return { rows, pace: makePace(part) };
  }
  const speed = await calibrate(part, options.rows[0], options);
  const pace = makePace(part, speed);
  const seconds = missing
    .map(({ entry, config }) => cellSeconds(part, entry, config, speed))
    .reduce((a, b) => a + b, 0);
  pace.expect(seconds);
  log(
    `${part.name}: at most ${missing.length} cells, about ${duration(seconds)} at ${Math.round(speed.tokensPerSecond)} tokens/s; ` +
      'a rate at the edge of the grid adds a cell.',
  );
  return { rows, pace };
}

/** Tunes every row, then runs (or reads) its cells seed by seed. */
async function sweepPart(part, options) {
  const { rows, pace } = await prepareRows(part, options);
  if (options.estimate) return;
  const common = { ...options, ...pace, run: !options.report };
  const write = () => writeResults(part, rows, options);
  try {
    for (const seed of options.seeds) {
      for (const row of rows) {
        const { entry, probe } = row;
        const cellOf = (what) => getCell(part, entry, what, { ...common, probe });
        if (seed === options.seeds[0]) {
          const found = await tuneRow(part, entry, { ...options, seed, cellOf });
          Object.assign(row, { tuned: found?.chosen ?? null, tried: found?.tried ?? [], best: found?.cell });
        }
        const cell = row.tuned && (await cellOf({ seed, tuned: row.tuned, phase: 'test' }));
        if (cell) row.cells.push(cell);
        write();
      }
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
  writeFileSync(file, `${JSON.stringify({ version: 2, parts }, null, 1)}\n`);
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
  for (const name of options.parts) {
    const part = partSettings(name, options);
    await sweepPart({ ...part, extend: !options.quick }, { ...options, signal: stop.signal });
    rmSync(join(CACHE, 'methods', `run-${name}-${process.pid}`), { recursive: true, force: true });
  }
  if (!options.estimate) log(`written: ${options.out}/methods${options.quick ? '-quick' : ''}.{json,md}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error.code === 'INTERRUPTED' ? 'Stopped; run it again to go on.' : error.message}\n`);
  process.exitCode = error.code === 'INTERRUPTED' ? 130 : 1;
}
