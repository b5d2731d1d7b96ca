/**
 * `npm run check:merged`: Hugging Face folders with an adapter merged in, opened by transformers alone, give the per-token losses that
 * the engine gives with the adapter beside the base: every architecture in F32, one in BF16 and in shards, and an adapter of a GGUF base
 * merged onto the folder of the same weights.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTrainer, packed, randomValues } from './lib/engine.mjs';
import { hfConfigs } from './lib/hfConfigs.mjs';
import { library } from './lib/paths.mjs';
import { makeRandom } from './lib/random.mjs';
import { randomModel } from './lib/randomModel.mjs';
import { runPython } from './peers/python.mjs';

const SEED = 3;
const SEQUENCES = [40, 23, 64];
/** Largest difference of a token's NLL; merged weights of BF16 have 8 bits of mantissa. */
const TOLERANCE = { float32: 1e-4, bfloat16: 0.05 };

const { writeMergedHf, writePeftAdapter, readPeftAdapter, checkMerged } = await library('export/index.js');
const { layoutFor } = await library('adapter/shapes.js');
const { loadModel } = await library('model/index.js');
const { dequantize, quantize } = await library('native/engine.js');

const folder = mkdtempSync(join(tmpdir(), 'fedtune-merged-'));

function jobsOf() {
  const configs = hfConfigs(SEED);
  const jobs = Object.entries(configs).map(([name, config]) => ({ name, config, dtype: 'float32', shard: '50GB' }));
  jobs.push({ name: 'mistral-bf16', config: configs.mistral, dtype: 'bfloat16', shard: '50GB' });
  jobs.push({ name: 'qwen2-shards', config: configs.qwen2, dtype: 'float32', shard: '300KB' });
  return jobs;
}

async function engineJob(job) {
  const path = job.gguf ?? job.base;
  const layoutOf = (description) => layoutFor(description, { rank: 4, alpha: 6 });
  const { model, layout, base, trainer } = await openTrainer({ path, layoutOf, precision: 'f32' });
  const random = makeRandom(11);
  const sequences = SEQUENCES.map((length) =>
    Array.from({ length }, () => random.below(Math.min(256, model.description.vocabSize))),
  );
  const values = randomValues(layout, 5, 0.15);
  const batch = await packed(sequences.map((tokens) => ({ tokens, mask: tokens.map(() => 1) })));
  trainer.setValues(values);
  const nll = [...trainer.evaluate(batch, { all: true }).nll];
  const baseNll = [...trainer.evaluate(batch, { all: true, adapter: false }).nll];
  trainer.dispose();
  base.dispose();
  const merged = join(folder, `${job.name}-merged`);
  const peft = join(folder, `${job.name}-peft`);
  await writePeftAdapter(peft, { layout, values, mask: null }, model);
  const onto = await loadModel(job.base);
  const adapter = await readPeftAdapter(peft, onto);
  await writeMergedHf(merged, adapter, onto, { dequantize, quantize });
  await checkMerged(adapter, onto.description, (await loadModel(merged)).description, dequantize);
  return { ...job, merged, sequences, nll, baseNll };
}

async function python(work, jobs) {
  const file = join(folder, `${work}.json`);
  writeFileSync(file, JSON.stringify(jobs));
  return (await runPython('check_merged.py', [work, file])).results;
}

const gguf = await randomModel('small-llama', { floats: true });
const jobs = jobsOf();
// Any folder gives the tokenizer; the weights are those of the file.
jobs.push({ ...jobs.find(({ name }) => name === 'mistral'), name: 'gguf-llama', gguf });
for (const job of jobs) Object.assign(job, { base: join(folder, job.name), seed: SEED });
await python('make', jobs);
const asked = [];
for (const job of jobs) asked.push(await engineJob(job));
const results = await python('check', asked);
let failed = 0;
results.forEach(({ merged, effect }, i) => {
  const { name, dtype } = asked[i];
  const good = merged < TOLERANCE[dtype] && effect > 10 * TOLERANCE[dtype];
  if (!good) failed++;
  console.log(
    `${good ? 'ok  ' : 'FAIL'} ${name}: largest difference of a token's NLL ${merged.toExponential(1)}; the adapter moves them by ${effect.toFixed(2)}`,
  );
});
rmSync(folder, { recursive: true });
process.exitCode = failed === 0 ? 0 : 1;
