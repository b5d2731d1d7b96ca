/**
 * `npm run bench:peers`: the engine and PyTorch + transformers + PEFT on the same work, alternating, with the same number of
 * threads. Writes benchmarks/results/peers.{json,md}, case by case, by kind of machine.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { bytes, number } from './lib/markdown.mjs';
import { peerReport } from './lib/peerReport.mjs';
import { summarise } from './lib/peerSummary.mjs';
import { resultFile } from './lib/resultFile.mjs';
import { startTicker } from './lib/ticker.mjs';
import { COMPARISONS, COMPILED, prepare, runVariant, VARIANTS, variantsOn } from './lib/variants.mjs';
import { peersPython } from './peers/python.mjs';

const DEFAULT_CASES = Object.keys(COMPARISONS).filter((name) => name !== 'others');

const HELP = `Usage: npm run bench:peers -- [options]
  --cases A,B       out of ${Object.keys(COMPARISONS).join(', ')} (default: all but others)
  --repeats N       alternating runs of each program (default 3; 1 in federation, forced and others)
  --threads N       threads of each side (default: the cores)
  --no-compile      leave torch.compile out
  --others          also JAX and MLX on case full, once each, with the packages of benchmarks/peers/requirements-others.txt
  --data PATH       conversations for chat and federation (default: the embedded owners), with --model PATH for the tokenizer
  --rounds N, --local-steps N   a shorter federation (default 3 rounds of 10 steps)
  --limit N         federation: seconds after which PyTorch stops and the rest is estimated at its speed by then (default: none)
  --timeout N       seconds that one run may take (default 3600)
  --quick           one short run of each, to see that everything works; written to benchmarks/.cache/quick
FEDTUNE_PEERS_PYTHON names a Python that has the packages of benchmarks/peers/requirements.txt, FEDTUNE_OTHERS_PYTHON one for --others;
else they are installed once.`;

const { values: options } = parseArgs({
  options: {
    cases: { type: 'string', default: DEFAULT_CASES.join(',') },
    repeats: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    'no-compile': { type: 'boolean', default: false },
    others: { type: 'boolean', default: false },
    data: { type: 'string' },
    model: { type: 'string' },
    rounds: { type: 'string' },
    'local-steps': { type: 'string' },
    limit: { type: 'string', default: '0' },
    timeout: { type: 'string', default: '3600' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function chosenVariants(name, machine) {
  const compiled = (variant) => COMPILED.has(VARIANTS[variant].compile);
  return variantsOn(machine, COMPARISONS[name]).filter((variant) => !(options['no-compile'] && compiled(variant)));
}

function describeRun(run, metric) {
  if (run.error !== undefined) return `did not run: ${run.error.trim().split('\n').at(-1)}`;
  return `${number(run[metric])} ${metric.replaceAll('_', ' ')}, ${bytes(run.peak_rss_bytes)}, ${run.total_seconds.toFixed(0)} s in all`;
}

async function runOnce(variant, comparison, testCase) {
  const ticker = startTicker(variant);
  const settings = {
    threads: Number(options.threads),
    quick: options.quick,
    timeoutSeconds: Number(options.timeout),
    limitSeconds: Number(options.limit),
    onLine: (line) => ticker.line(line),
  };
  try {
    return { variant, ...(await runVariant(variant, comparison, testCase, settings)) };
  } catch (error) {
    return { variant, error: error.message };
  } finally {
    ticker.stop();
  }
}

async function compare(name) {
  const comparison = COMPARISONS[name];
  const repeats = options.quick ? 1 : Number(options.repeats ?? comparison.repeats ?? 3);
  const whole = (value) => (value === undefined ? undefined : Number(value));
  const sizes = { rounds: whole(options.rounds), localSteps: whole(options['local-steps']) };
  const testCase = await prepare(name, { ...options, ...sizes });
  const work = { clients: testCase.clients.length, rounds: testCase.rounds, steps: testCase.clients[0].steps.length };
  const machine = await describeMachine(Number(options.threads));
  const runs = [];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const variant of chosenVariants(name, machine)) {
      // What failed once is not tried again.
      if (runs.some((run) => run.variant === variant && run.error !== undefined)) continue;
      const run = { repeat, ...(await runOnce(variant, comparison, testCase)) };
      runs.push(run);
      console.error(`${name} ${repeat}/${repeats} ${variant}: ${describeRun(run, comparison.metric)}`);
    }
  }
  const versions = Object.assign({}, ...runs.map((run) => run.versions));
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    source: testCase.source,
    settings: { threads: machine.threads, repeats, quick: options.quick, ...work },
    machine: { ...machine, versions: { ...machine.versions, ...versions } },
    runs,
    summary: summarise(name, comparison, runs, machine),
  };
}

if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const names = [...new Set([...options.cases.split(','), ...(options.others ? ['others'] : [])])];
const unknown = names.find((name) => COMPARISONS[name] === undefined);
if (unknown !== undefined) {
  console.error(`Expected --cases out of ${Object.keys(COMPARISONS).join(', ')} but received "${unknown}".`);
  process.exit(2);
}
peersPython();
const results = resultFile('peers', {
  quick: options.quick,
  empty: { version: 2, machines: {} },
  render: peerReport,
});
for (const name of names) {
  const part = await compare(name);
  // By the instructions that the engine uses there: what was measured on another kind of machine stays.
  const kind = part.machine.kernels[0];
  results.content.machines[kind] ??= {};
  results.content.machines[kind][name] = part;
  results.save();
}
console.log(peerReport(results.content));
console.error(`Written to ${results.markdown}`);
