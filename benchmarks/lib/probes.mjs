import { performance } from 'node:perf_hooks';
import { openTrainer, packed, plainLayout, randomValues } from './engine.mjs';
import { residentNow } from './memory.mjs';
import { ownersRun } from './ownersRun.mjs';
import { library } from './paths.mjs';
import { makeRandom } from './random.mjs';
import { median, sum } from './stats.mjs';

const now = () => performance.now() / 1000;

async function timed(work) {
  const start = now();
  const value = await work();
  return { value, seconds: now() - start };
}

/** Opening a model: header and tokenizer, then the weights, then a trainer. */
async function load({ model: path, precision, threads }) {
  const { loadModel } = await library('model/index.js');
  const { Base, Trainer } = await library('native/engine.js');
  const { trainerModules } = await library('adapter/shapes.js');
  const before = residentNow();
  const header = await timed(() => loadModel(path));
  const { description } = header.value;
  const base = await timed(() => new Base({ description, precision }));
  const layout = await plainLayout(description, 8);
  const trainer = await timed(() => new Trainer({ base: base.value, modules: trainerModules(layout), threads }));
  const result = {
    header_seconds: header.seconds,
    base_seconds: base.seconds,
    trainer_seconds: trainer.seconds,
    file_bytes: sum(description.tensors.map(({ bytes }) => bytes)),
    base_bytes: base.value.bytes,
    rss_added_bytes: residentNow() - before,
  };
  trainer.value.dispose();
  base.value.dispose();
  return result;
}

/** Merging many adapters: seconds, bytes read and memory above the inputs. */
async function merge({ adapters, values, masked, threads, repeats }) {
  const { mergeMean } = await library('native/merges.js');
  const random = makeRandom(9);
  const rows = Array.from({ length: adapters }, () => {
    const row = { values: new Float32Array(values), weight: 1, mask: masked ? new Uint8Array(values) : null };
    for (let i = 0; i < values; i++) row.values[i] = random.signed();
    for (let i = 0; masked && i < values; i++) row.mask[i] = random.next() & 1;
    return row;
  });
  const fallback = new Float32Array(values);
  const before = process.resourceUsage().maxRSS * 1024;
  const seconds = [(await timed(() => mergeMean(rows, fallback, threads))).seconds];
  // After one merge: the results of later ones would only wait for the garbage collector.
  const above = process.resourceUsage().maxRSS * 1024 - before;
  for (let i = 0; i < repeats; i++) seconds.push((await timed(() => mergeMean(rows, fallback, threads))).seconds);
  const bytes = adapters * values * (masked ? 5 : 4);
  return { seconds: median(seconds), fastest_seconds: Math.min(...seconds), bytes, above_inputs_bytes: above };
}

async function textExamples({ data, tokenizerModel, count }) {
  const { loadModel } = await library('model/index.js');
  const { loadExamples, resolveTemplate } = await library('data/index.js');
  const model = await loadModel(tokenizerModel ?? 'embedded');
  const { examples } = await loadExamples(data ?? 'embedded');
  return { model, examples: examples.slice(0, count), template: await resolveTemplate('auto', model) };
}

/** What JavaScript costs in a step of eight conversations: tokenising, packing, and the call that is not inside a kernel. */
async function javascript({ model: path, threads, steps, ...options }) {
  const { tokenizeExamples } = await library('data/index.js');
  const batch = 8;
  const { model, examples, template } = await textExamples({ ...options, count: batch * steps });
  const settings = { tokenizer: model.tokenizer, template, seqLength: 512, onLong: 'truncate' };
  const tokenised = await timed(() => tokenizeExamples(examples, settings).examples);
  const layoutOf = (description) => plainLayout(description, 8);
  const { trainer, base, layout } = await openTrainer({ path, layoutOf, precision: 'int8', threads });
  trainer.setValues(randomValues(layout, 1, 0.01));
  // Some examples may have been too long for a target, so there may be fewer steps than asked for.
  const count = Math.min(steps, Math.floor(tokenised.value.length / batch));
  if (count === 0)
    throw new Error(`Expected at least ${batch} conversations in the data but found ${tokenised.value.length}.`);
  const batches = Array.from({ length: count }, (_, i) =>
    tokenised.value
      .slice(i * batch, (i + 1) * batch)
      .map(({ tokens, lossMask }) => ({ tokens: [...tokens], mask: [...lossMask] })),
  );
  trainer.step([await packed(batches[0])], { learningRate: 1e-4 });
  trainer.takeProfile();
  let pack = 0;
  let step = 0;
  for (const examplesOfStep of batches) {
    const packing = await timed(() => packed(examplesOfStep));
    pack += packing.seconds;
    step += (await timed(() => trainer.step([packing.value], { learningRate: 1e-4 }))).seconds;
  }
  const kernels = sum(Object.values(trainer.takeProfile()));
  trainer.dispose();
  base.dispose();
  const total = tokenised.seconds + pack + step;
  const javascriptSeconds = tokenised.seconds + pack;
  return {
    steps: count,
    tokenise_share: tokenised.seconds / total,
    pack_share: pack / total,
    outside_kernels_share: (step - kernels) / total,
    javascript_share: javascriptSeconds / total,
  };
}

/** Measurements that need a process of their own; run by probeRun.mjs. */
export const PROBES = { load, merge, javascript, owners: ownersRun };
