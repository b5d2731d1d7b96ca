import { library } from './paths.mjs';
import { makeRandom } from './random.mjs';

/** Opens a model file in the engine with a trainer for adapters of `layout` (made by `layoutOf` from its description). */
export async function openTrainer({ path, layoutOf, precision, kernels = 'auto', threads = 1, checkpointing = false }) {
  const { loadModel } = await library('model/index.js');
  const { Base, Trainer } = await library('native/engine.js');
  const { trainerModules } = await library('adapter/shapes.js');
  const model = await loadModel(path);
  const layout = await layoutOf(model.description);
  const base = new Base({ description: model.description, precision, kernels });
  const trainer = new Trainer({ base, modules: trainerModules(layout), threads, checkpointing });
  return { model, layout, base, trainer };
}

/** Layout of plain LoRA on all seven linear layers. */
export async function plainLayout(description, rank, alpha = 2 * rank) {
  const { layoutFor } = await library('adapter/shapes.js');
  return layoutFor(description, { rank, alpha });
}

/** Values in [-size, size) for A and B. */
export function randomValues(layout, seed, size) {
  const random = makeRandom(seed);
  return Float32Array.from({ length: layout.size }, () => random.signed() * size);
}

/** A packed batch of examples given as `{tokens, mask}`. */
export async function packed(examples) {
  const { packBatch } = await library('data/pack.js');
  return packBatch(
    examples.map(({ tokens, mask }, i) => ({
      id: String(i),
      tokens: Int32Array.from(tokens),
      lossMask: Uint8Array.from(mask),
    })),
  );
}
