/**
 * `npm run check:steps -- --model FILE.gguf --data PATTERN [--category NAME]`: one owner trained step by step by the engine and
 * by PyTorch + PEFT from the same adapter on the same examples in the same order. The loss curves agree to 1 % in f32.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openTrainer, packed, plainLayout } from './lib/engine.mjs';
import { library, RESULTS } from './lib/paths.mjs';
import { runPython } from './peers/python.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'embedded' },
    data: { type: 'string', default: 'embedded' },
    template: { type: 'string' },
    category: { type: 'string' },
    'seq-length': { type: 'string', default: '160' },
    steps: { type: 'string', default: '30' },
    batch: { type: 'string', default: '4' },
    'learning-rate': { type: 'string', default: '1e-3' },
    save: { type: 'boolean', default: false },
  },
});
const numSteps = Number(options.steps);
const batchSize = Number(options.batch);
const learningRate = Number(options['learning-rate']);
/** Share of the f32 loss by which a step may differ. */
const LIMIT = 0.01;

/** The first 40 examples of one owner (a category or, in the embedded data, an owner), as tokens and mask. */
async function ownerExamples(model) {
  const { loadExamples, resolveTemplate, tokenizeExamples } = await library('data/index.js');
  const { examples } = await loadExamples(options.data);
  const ownerOf = (example) => example.owner ?? example.category;
  const owner = options.category ?? examples.map(ownerOf).find((name) => name !== undefined);
  const own = examples.filter(
    (example) => owner === undefined || ownerOf(example) === owner || example.category === owner,
  );
  const template = await resolveTemplate(options.template ?? (options.model === 'embedded' ? 'auto' : 'chatml'), model);
  const tokenised = tokenizeExamples(own, {
    tokenizer: model.tokenizer,
    template,
    seqLength: Number(options['seq-length']),
    onLong: 'drop',
  });
  const kept = tokenised.examples
    .slice(0, 40)
    .map(({ tokens, lossMask }) => ({ tokens: [...tokens], mask: [...lossMask] }));
  if (kept.length < batchSize)
    throw new Error(`Expected at least ${batchSize} examples of ${owner} but found ${kept.length}.`);
  return { owner, examples: kept };
}

async function engineCurve(precision, steps, initial) {
  const { trainer, base, layout, model } = await openTrainer({
    path: options.model,
    layoutOf: (description) => plainLayout(description, 8),
    precision,
    threads: 2,
  });
  trainer.setValues(initial(layout));
  const losses = [];
  for (const examples of steps) {
    losses.push(trainer.step([await packed(examples)], { learningRate, maxGradNorm: 1 }).loss);
  }
  trainer.dispose();
  base.dispose();
  return { losses, layout, model };
}

const { loadModel } = await library('model/index.js');
const { initialValues } = await library('adapter/init.js');
const { writePeftAdapter } = await library('export/index.js');
const model = await loadModel(options.model);
const { owner, examples } = await ownerExamples(model);
const steps = Array.from({ length: numSteps }, (_, step) =>
  Array.from({ length: batchSize }, (_, i) => examples[(step * batchSize + i) % examples.length]),
);
const initial = (layout) => initialValues(layout, 42);
const f32 = await engineCurve('f32', steps, initial);
const int8 = await engineCurve('int8', steps, initial);
const folder = mkdtempSync(join(tmpdir(), 'fedtune-steps-'));
await writePeftAdapter(join(folder, 'adapter'), { layout: f32.layout, values: initial(f32.layout), mask: null }, model);
const job = { gguf: model.path, adapter: join(folder, 'adapter'), steps, learningRate, maxGradNorm: 1 };
writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
const peer = await runPython('compare_steps.py', [join(folder, 'job.json')]);

const share = (ours) => ours.map((loss, i) => Math.abs(loss - peer.losses[i]) / peer.losses[i]);
const worst = { f32: Math.max(...share(f32.losses)), int8: Math.max(...share(int8.losses)) };
console.log('step   PyTorch + PEFT   engine f32      difference   engine int8     difference');
peer.losses.forEach((loss, i) => {
  const cells = [f32, int8].map(({ losses }) => {
    return `${losses[i].toFixed(6).padStart(10)}   ${(share(losses)[i] * 100).toFixed(4).padStart(10)} %`;
  });
  console.log(`${String(i + 1).padStart(4)}   ${loss.toFixed(6).padStart(14)}   ${cells.join('   ')}`);
});
console.log(
  `owner ${owner ?? 'all'}, model ${model.name}: largest difference f32 ${(100 * worst.f32).toFixed(4)} %, int8 ${(100 * worst.int8).toFixed(3)} %`,
);
if (options.save) {
  mkdirSync(RESULTS, { recursive: true });
  const result = { model: model.name, owner, learningRate, batch: batchSize, versions: peer.versions, worst };
  const curves = { peft: peer.losses, f32: f32.losses, int8: int8.losses };
  writeFileSync(join(RESULTS, 'steps.json'), `${JSON.stringify({ ...result, curves }, null, 1)}\n`);
}
process.exitCode = worst.f32 < LIMIT ? 0 : 1;
