#!/usr/bin/env node
// What PerFIT's search finds: how much two searches of one owner have in common, beside those of two owners, and chance.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { machineLines, table } from './lib/markdown.mjs';
import { compareSearches, factorRanges } from './lib/maskOverlap.mjs';
import { mean } from './lib/methodsStats.mjs';
import { CACHE, library } from './lib/paths.mjs';
import { resultFile } from './lib/resultFile.mjs';

const { values: options } = parseArgs({
  options: { seeds: { type: 'string', default: '1,2,3' }, help: { type: 'boolean' } },
});
if (options.help) {
  console.log(
    'npm run bench:masks -- [options]\n  --seeds LIST  default 1,2,3; each is written as soon as it is measured',
  );
  process.exit();
}

/** `npm start` up to its search in round 10; then everybody searches once more, with other examples. */
const ROUND = 10;
const SETTINGS = {
  ...{ method: 'perfit', partition: 'natural', merge_weights: 'uniform' },
  ...{ num_rounds: ROUND + 1, local_steps: 6, batch_size: 8, learning_rate: 1e-2 },
  ...{ search_round: ROUND, search_every: 1 },
  ...{ eval_every: 0, max_valid_examples: 1, max_test_examples: 1 },
};

async function measure(seed) {
  const { parseConfig } = await library('config/parse.js');
  const { runFederation } = await library('run/runFederation.js');
  const { StateStore } = await library('store/index.js');
  const { layoutFor } = await library('adapter/shapes.js');
  const dir = join(CACHE, `masks-${process.pid}`);
  const config = parseConfig({ ...SETTINGS, seed, output_dir: dir });
  const { model } = await runFederation({ config, overwrite: true });
  const layout = layoutFor(model.description, { rank: config.lora_r * config.expansion, alpha: config.lora_alpha });
  const states = StateStore.open(join(dir, 'state'));
  const [first, second] = [ROUND, ROUND + 1].map((round) => states.load(round).loop.server.main.own);
  const { A, B } = factorRanges(layout);
  return { A: compareSearches(first, second, A), B: compareSearches(first, second, B) };
}

function render({ machine, seeds }) {
  const found = Object.values(seeds);
  const rows = ['A', 'B'].map((factor) => [
    factor,
    ...['same_owner', 'two_owners', 'same_round', 'by_chance'].map((key) => {
      const values = found.map((seed) => seed[factor][key]);
      return `${mean(values).toFixed(3)} (${values.map((value) => value.toFixed(3)).join(', ')})`;
    }),
  ]);
  return `# What a search of PerFIT finds

By \`npm run bench:masks\`: the embedded federation as \`npm start\` has it, up to the search in round ${ROUND}; in round ${ROUND + 1} everybody searches again, in
the adapter that was merged meanwhile and with other examples. Overlap of masks: entries that both have over those that either has, the mean over
owners or pairs of owners, and by seed (${Object.keys(seeds).join(', ')}). Chance: masks that keep as many entries of every factor of every module.

${machineLines(machine).join('\n')}

${table(['factor', 'one owner, both searches', 'two owners, one search each', 'two owners, the same round', 'chance'], rows)}
`;
}

const file = resultFile('masks', { quick: false, empty: { seeds: {} }, render });
file.content.machine = await describeMachine(2, false);
for (const seed of options.seeds.split(',')) {
  file.content.seeds[seed] = await measure(Number(seed));
  file.save();
  console.log(`seed ${seed}: ${JSON.stringify(file.content.seeds[seed])}`);
}
