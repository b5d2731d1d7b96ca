/**
 * `npm run bench:scaling`: how time and memory grow with clients, rounds, examples, sequence length and threads, and what
 * loading, merging, JavaScript and bookkeeping cost. Writes benchmarks/results/scaling.{json,md}, part by part.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { resultFile } from './lib/resultFile.mjs';
import { PARTS } from './lib/scalingParts.mjs';
import { scalingReport } from './lib/scalingReport.mjs';
import { startTicker } from './lib/ticker.mjs';

const NAMES = Object.keys(PARTS);
const HELP = `Usage: npm run bench:scaling -- [options]
  --parts A,B     out of ${NAMES.join(', ')} (default: all)
  --threads N     threads in all (default: the cores)
  --model PATH    also load this model, and take its tokenizer; --data PATH: conversations (default: the embedded owners)
  --clients A,B   numbers of clients in the part clients (default 1 to 64)
  --turns N       alternating runs in the parts threads and sources (default 3)
  --quick         a short form of each, to see that it works; written to benchmarks/.cache/quick`;

const { values: options } = parseArgs({
  options: {
    parts: { type: 'string', default: NAMES.join(',') },
    threads: { type: 'string', default: String(availableParallelism()) },
    model: { type: 'string' },
    data: { type: 'string' },
    clients: { type: 'string' },
    turns: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const names = options.parts.split(',');
const unknown = names.find((name) => PARTS[name] === undefined);
if (unknown !== undefined) {
  console.error(`Expected --parts out of ${NAMES.join(', ')} but received "${unknown}".`);
  process.exit(2);
}
const threads = Number(options.threads);
const machine = await describeMachine(threads);
const results = resultFile('scaling', {
  quick: options.quick,
  empty: { version: 1, parts: {} },
  render: (content) => scalingReport(content, NAMES),
});
for (const name of names) {
  console.error(`${name} ...`);
  const ticker = startTicker(name);
  const counts = options.clients?.split(',').map(Number);
  const turns = options.quick ? 1 : Number(options.turns);
  const result = await PARTS[name]({ ...options, threads, counts, turns }).finally(() => ticker.stop());
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  results.content.parts[name] = { date, quick: options.quick, machine, result };
  results.save();
}
console.log(scalingReport(results.content, NAMES));
console.error(`Written to ${results.markdown}`);
