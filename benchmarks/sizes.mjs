#!/usr/bin/env node
// Which base fits into which memory: what `fedtune plan` says of bases of the usual sizes, with random weights.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { machineLines, number, table } from './lib/markdown.mjs';
import { ROOT } from './lib/paths.mjs';
import { randomModel } from './lib/randomModel.mjs';
import { resultFile } from './lib/resultFile.mjs';

const NAMES = {
  'smollm2-135m': 'SmolLM2-135M',
  'smollm2-360m': 'SmolLM2-360M',
  'qwen2.5-0.5b': 'Qwen2.5-0.5B',
  'llama-3.2-1b': 'Llama-3.2-1B',
  'smollm2-1.7b': 'SmolLM2-1.7B',
  'qwen2.5-3b': 'Qwen2.5-3B',
};

const USAGE = `npm run bench:sizes -- [options]
  --only NAMES  these bases alone: ${Object.keys(NAMES).join(',')}
  --remove      delete the files of random weights (some 8 GB) afterwards`;

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, remove: { type: 'boolean' }, help: { type: 'boolean' } },
});
if (options.help) {
  console.log(USAGE);
  process.exit();
}

// Steps of 512 tokens: as many pass the layers at once, however large the batch.
const RUN = '--seq-length 256 --batch-size 2 --num-rounds 1 --local-steps 1 --eval-every 0 --template plain'.split(' ');
const FEW = '--max-train-examples 16 --max-valid-examples 2 --max-test-examples 2'.split(' ');
const SETTINGS = {
  'int8, 2 workers': '--workers 2',
  'int4, 1 worker, checkpointing': '--workers 1 --checkpointing --precision int4',
};

function plannedMemory(model, flags) {
  const args = [
    join(ROOT, 'dist/cli/main.js'),
    'plan',
    '--model',
    model,
    ...RUN,
    ...FEW,
    ...flags.split(' '),
    '--json',
  ];
  const { estimate } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  return estimate.memory.total;
}

function render({ machine, memory }) {
  const sizes = Object.keys(NAMES).filter((name) => memory[name]);
  const rows = sizes.map((name) => [
    NAMES[name],
    ...Object.keys(SETTINGS).map((setting) => `${number(memory[name][setting] / 1e9)} GB`),
  ]);
  return `# Which base fits

By \`npm run bench:sizes\`: memory of the whole program as \`fedtune plan\` has it, for bases of these shapes with random weights; eight owners, fedavg,
rank 8, examples of 256 tokens.

${machineLines(machine).join('\n')}

${table(['base', ...Object.keys(SETTINGS)], rows)}
`;
}

const file = resultFile('sizes', { quick: false, empty: { memory: {} }, render });
file.content.machine = await describeMachine(2, false);
for (const name of options.only?.split(',') ?? Object.keys(NAMES)) {
  const model = await randomModel(name);
  file.content.memory[name] = {};
  for (const [setting, flags] of Object.entries(SETTINGS)) {
    file.content.memory[name][setting] = plannedMemory(model, flags);
    console.log(`${name}, ${setting}: ${number(file.content.memory[name][setting] / 1e9)} GB`);
  }
  file.save();
  if (options.remove) rmSync(model);
}
