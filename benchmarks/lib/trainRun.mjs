/** Trains on one prepared case in a process of its own and prints one JSON line; started by benchmarks/train.mjs. */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { trainAlone } from './alone.mjs';
import { openTrainer, packed, plainLayout } from './engine.mjs';
import { runFederation } from './federation.mjs';
import { stepOperations } from './operations.mjs';
import { library } from './paths.mjs';
import { sum } from './stats.mjs';

const settings = JSON.parse(process.argv[2]);
const testCase = JSON.parse(readFileSync(settings.caseFile, 'utf8'));
const seconds = () => performance.now() / 1000;

function countStep(examples) {
  const lengths = examples.map(({ tokens }) => tokens.length);
  // The first token of a sequence is never a target.
  const targets = sum(examples.map(({ mask }) => sum(mask.slice(1))));
  const operations = stepOperations(testCase.shape, testCase.rank, { lengths, targets }).total;
  return { tokens: sum(lengths), targets, examples: examples.length, operations };
}

async function timeSteps() {
  const { initialValues } = await library('adapter/init.js');
  const start = seconds();
  const { base, trainer, layout } = await openTrainer({
    path: settings.model,
    layoutOf: (description) => plainLayout(description, testCase.rank),
    precision: settings.precision,
    kernels: settings.kernels,
    threads: settings.threads,
    checkpointing: settings.checkpointing,
  });
  const loadSeconds = seconds() - start;
  trainer.setValues(initialValues(layout, 1));
  const cases = testCase.clients[0].steps;
  const steps = [];
  const count = settings.warmup + settings.steps;
  for (let i = 0; i < count; i++) {
    process.stderr.write(`step ${i + 1} of ${count}\n`);
    if (i === settings.warmup) trainer.takeProfile();
    const examples = cases[i % cases.length];
    const before = seconds();
    const { loss } = trainer.step([await packed(examples)], { learningRate: 1e-4 });
    const taken = seconds() - before;
    if (i >= settings.warmup) steps.push({ seconds: taken, loss, ...countStep(examples) });
  }
  return {
    steps,
    load_seconds: loadSeconds,
    kernels: base.kernels,
    base_bytes: base.bytes,
    trainer_bytes: trainer.bytes,
    profile: trainer.takeProfile(),
  };
}

const federation = () =>
  settings.alone ? trainAlone(testCase, settings.caseFile, settings) : runFederation(testCase, settings);
const result = testCase.name === 'federation' ? await federation() : await timeSteps();
const output = {
  peer: `fedtune-${settings.precision}`,
  case: testCase.name,
  precision: settings.precision,
  threads: settings.threads,
  ...result,
  // Kibibytes on every system.
  peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
};
console.log(JSON.stringify(output));
