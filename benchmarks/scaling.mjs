/**
 * `npm run bench:scaling`: how time and memory grow with clients, rounds, examples, sequence length and threads, and what
 * loading, merging, JavaScript and bookkeeping cost. Writes benchmarks/results/scaling.{json,md}, part by part.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { chosenParts, runParts } from './lib/parts.mjs';
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
const names = chosenParts(options.parts, PARTS);
const threads = Number(options.threads);
const machine = await describeMachine(threads);
const results = resultFile('scaling', {
  quick: options.quick,
  empty: { version: 1, parts: {} },
  render: (content) => scalingReport(content, NAMES),
});
const counts = options.clients?.split(',').map(Number);
const turns = options.quick ? 1 : Number(options.turns);
await runParts(names, {
  ...{ results, machine, quick: options.quick, report: (content) => scalingReport(content, NAMES) },
  measure(name) {
    const ticker = startTicker(name);
    return PARTS[name]({ ...options, threads, counts, turns }).finally(() => ticker.stop());
  },
});
