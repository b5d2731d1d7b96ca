/**
 * `npm run bench:distribution`: what rounds over NATS cost beside training, against `runtime: threads` and against Flower, and with a thousand
 * owners; all on loopback. Writes benchmarks/results/distribution.{json,md}, part by part.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { FLOWER_RUNS, PARTS } from './lib/distributionParts.mjs';
import { distributionReport } from './lib/distributionReport.mjs';
import { describeMachine } from './lib/machine.mjs';
import { chosenParts, runParts } from './lib/parts.mjs';
import { library } from './lib/paths.mjs';
import { resultFile } from './lib/resultFile.mjs';

const NAMES = Object.keys(PARTS);
const HELP = `Usage: npm run bench:distribution -- [options]
  --parts A,B     out of ${NAMES.join(', ')} (default: all)
  --threads N     threads of runtime: threads (default: the cores)
  --flower A,B    what of Flower is run, out of ${Object.keys(FLOWER_RUNS).join(', ')} (default: all)
  --count N       owners of the part many (default 1000)
  --quick         a short form of each, to see that it works; written to benchmarks/.cache/quick
nats-server is looked for in PATH, or NATS_SERVER names it. Flower is installed once, under benchmarks/peers.`;

const { values: options } = parseArgs({
  options: {
    parts: { type: 'string', default: NAMES.join(',') },
    threads: { type: 'string', default: String(availableParallelism()) },
    flower: { type: 'string', default: Object.keys(FLOWER_RUNS).join(',') },
    count: { type: 'string' },
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
const count = options.count === undefined ? undefined : Number(options.count);
const nats = await (await library('federation/natsServer.js')).findNatsServer();
const described = await describeMachine(threads, false);
const machine = { ...described, versions: { ...described.versions, 'nats-server': nats.version } };
const results = resultFile('distribution', {
  quick: options.quick,
  empty: { version: 1, parts: {} },
  render: (content) => distributionReport(content, NAMES),
});
await runParts(names, {
  ...{ results, machine, quick: options.quick, report: (content) => distributionReport(content, NAMES) },
  measure: (name) => PARTS[name]({ quick: options.quick, threads, count, flower: options.flower.split(',') }),
});
