// A short training of the embedded model through everything the addon offers, for builds with sanitizers: each precision and
// kernel set with two threads, synchronous and asynchronous calls, merges, and errors on the way.
import { Base, cpuInfo, dequantize, quantize, Trainer } from '../../../dist/native/engine.js';
import * as merges from '../../../dist/native/merges.js';
import { batch, description } from './setup.mjs';

const targets = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
const modules = targets.flatMap((name) =>
  [0, 1].map((layer) => ({ module: `blk.${layer}.${name}`, rank: 3, scale: 2 })),
);
const odd = { ...batch(1), lengths: Int32Array.of(37, 1, 62) };

async function train(kernels, precision, checkpointing) {
  const base = new Base({ description, precision, kernels });
  const trainer = new Trainer({ base, modules, threads: 2, dropout: 0.1, checkpointing });
  const values = trainer.getValues().map((_, i) => Math.sin(i) * 0.02);
  trainer.setValues(values);
  trainer.setAnchor(values);
  trainer.setTrainable(Uint8Array.from(values, (_, i) => (i % 3 ? 1 : 0)));
  for (let i = 0; i < 2; i++) {
    trainer.step([odd, batch(2)], { learningRate: 1e-3, maxGradNorm: 1, proxMu: 0.1, dropoutSeed: i });
    const step = trainer.stepAsync([odd], { learningRate: 1e-3 });
    if (!(trainer.bytes > 0)) throw new Error('Expected bytes while a step runs.');
    await step;
  }
  trainer.evaluate(odd, { all: true });
  await trainer.evaluateAsync(odd, { adapter: false });
  const { loss, gradient } = await trainer.gradientAsync([odd]);
  const failed = () => {
    try {
      trainer.step([{ ...odd, lengths: Int32Array.of(1) }], { learningRate: 1 });
    } catch (error) {
      return error.code;
    }
  };
  if (!(loss > 0) || failed() !== 'BAD_ARGUMENT') throw new Error('Expected a loss and an error.');
  const result = { values: trainer.getValues(), gradient };
  trainer.dispose();
  base.dispose();
  return result;
}

const rows = [];
for (const kernels of cpuInfo().kernels)
  for (const precision of ['int8', 'f32', 'int4']) rows.push(await train(kernels, precision, precision === 'f32'));

const fallback = new Float32Array(rows[0].values.length);
const masks = rows.map((_, i) => (i === 0 ? null : Uint8Array.from(fallback, (_, p) => (p % (i + 1) ? 1 : 0))));
const weighted = rows.map(({ values }, i) => ({ values, weight: i + 1, mask: masks[i] }));
const values = rows.map((row) => row.values);
merges.mergeMean(weighted, fallback, 2);
merges.sortedMean(weighted, fallback, (count) => (count < 3 ? -1 : 1), 2);
merges.gram(values, { mask: masks[1], threads: 2 });
merges.squaredDistances(values, 2);
merges.maskOverlaps(masks, fallback.length, 2);
dequantize(8, quantize(8, fallback.subarray(0, 64)), 64);
console.log(JSON.stringify('trained'));
