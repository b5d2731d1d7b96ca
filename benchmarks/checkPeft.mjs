/**
 * `npm run check:peft`: adapters exported as PEFT folders, opened by real PEFT + transformers, give the per-token losses of the
 * engine; llama (rows of q and k permuted in GGUF) and qwen2 (biases), plain and with mixed ranks and scales.
 */
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { openTrainer, packed, plainLayout, randomValues } from './lib/engine.mjs';
import { library } from './lib/paths.mjs';
import { makeRandom } from './lib/random.mjs';
import { randomModel } from './lib/randomModel.mjs';
import { runPython } from './peers/python.mjs';

const { values: options } = parseArgs({
  options: { models: { type: 'string', default: '../shared/models' }, tolerance: { type: 'string', default: '2e-3' } },
});

const SEQUENCES = [40, 23, 64];

/** Ranks 2 to 5 and scales that are no whole number. */
async function mixedLayout(description) {
  const { makeLayout } = await library('adapter/layout.js');
  const { modules } = await plainLayout(description, 2);
  return makeLayout(modules.map((module, i) => ({ ...module, rank: 2 + (i % 4), scale: 0.5 + 0.25 * (i % 3) })));
}

async function engineJob(path, kind, folder) {
  const layoutOf = kind === 'mixed' ? mixedLayout : (description) => plainLayout(description, 8);
  const { model, layout, base, trainer } = await openTrainer({ path, layoutOf, precision: 'f32' });
  const { writePeftAdapter } = await library('export/index.js');
  const random = makeRandom(11);
  const examples = SEQUENCES.map((length) => ({
    tokens: Array.from({ length }, () => random.below(model.description.vocabSize)),
    mask: Array(length).fill(1),
  }));
  const values = randomValues(layout, 5, 0.08);
  const adapter = join(folder, `${basename(path, '.gguf')}-${kind}`);
  await writePeftAdapter(adapter, { layout, values, mask: null }, model);
  trainer.setValues(values);
  const batch = await packed(examples);
  const nll = [...trainer.evaluate(batch, { all: true }).nll];
  const baseNll = [...trainer.evaluate(batch, { all: true, adapter: false }).nll];
  trainer.dispose();
  base.dispose();
  return {
    name: `${basename(path)} ${kind}`,
    gguf: path,
    adapter,
    sequences: examples.map(({ tokens }) => tokens),
    nll,
    baseNll,
  };
}

const paths = [await randomModel('small-llama', { floats: true }), await randomModel('small-qwen2', { floats: true })];
for (const name of ['stories260K.gguf', 'random-qwen2.gguf', 'SmolLM2-135M-Instruct.Q4_1.gguf']) {
  const path = join(options.models, name);
  if (existsSync(path)) paths.push(path);
  else console.error(`skipped: ${path} is not there`);
}
const folder = mkdtempSync(join(tmpdir(), 'fedtune-peft-'));
const jobs = [];
for (const path of paths) for (const kind of ['plain', 'mixed']) jobs.push(await engineJob(path, kind, folder));
const file = join(folder, 'jobs.json');
writeFileSync(file, JSON.stringify(jobs));
const { results } = await runPython('check_peft.py', [file]);
const tolerance = Number(options.tolerance);
let failed = 0;
for (const { name, base, adapted, effect } of results) {
  const good = base < tolerance && adapted < tolerance && effect > 100 * tolerance;
  if (!good) failed++;
  const figures = `base ${base.toExponential(1)}, adapted ${adapted.toExponential(1)}; the adapter moves them by ${effect.toFixed(2)}`;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${name}: largest difference of a token's NLL: ${figures}`);
}
process.exitCode = failed === 0 ? 0 : 1;
