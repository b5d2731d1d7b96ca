import { initialValues } from '../adapter/init.js';
import { layoutFor, trainerModules } from '../adapter/shapes.js';
import { type BaseModel, loadModel } from '../model/index.js';
import type { KernelSet, PackedBatch, Precision } from '../native/binding.js';
import { Base, Trainer } from '../native/engine.js';
import { normal, randomStream } from '../random.js';

const TOKENS = 48;
/** Length of the step along a direction; its square has to vanish beside it, and f32 to show it. */
const STEP = 0.02;

/** Random values, A and B alike, so that every gradient is there. */
function setting(model: BaseModel) {
  const layout = layoutFor(model.description, { rank: 2, alpha: 4 });
  const random = randomStream(1, 'doctor');
  const values = initialValues(layout, 1).map((value) => value + 0.02 * normal(random));
  const direction = Float32Array.from(values, () => normal(random) / Math.sqrt(values.length));
  const tokens = Int32Array.from({ length: TOKENS }, () => Math.floor(random() * model.description.vocabSize));
  const lossMask = new Uint8Array(TOKENS).fill(1, 1);
  const batch: PackedBatch = { tokens, lossMask, lengths: Int32Array.of(TOKENS / 2, TOKENS / 2) };
  return { layout, values, direction, batch };
}

function withTrainer<T>(
  model: BaseModel,
  precision: Precision,
  kernels: KernelSet,
  work: (trainer: Trainer, set: ReturnType<typeof setting>) => T,
): T {
  const set = setting(model);
  using base = new Base({ description: model.description, precision, kernels });
  using trainer = new Trainer({ base, modules: trainerModules(set.layout) });
  trainer.setValues(set.values);
  return work(trainer, set);
}

/**
 * How far the gradient along a random direction is from the difference of the losses on both sides of it, relative to that; in f32, on
 * the embedded base.
 */
export async function gradientError(kernels: KernelSet): Promise<number> {
  const model = await loadModel('embedded');
  return withTrainer(model, 'f32', kernels, (trainer, { values, direction, batch }) => {
    const { gradient } = trainer.gradient([batch]);
    const along = gradient.reduce((sum, value, i) => sum + value * direction[i]!, 0);
    const lossAt = (step: number): number => {
      trainer.setValues(values.map((value, i) => value + step * direction[i]!));
      const { nllSum, targets } = trainer.evaluate(batch);
      return nllSum / targets;
    };
    const difference = (lossAt(STEP) - lossAt(-STEP)) / (2 * STEP);
    return Math.abs(along - difference) / Math.abs(difference);
  });
}

/** The loss of the embedded base with an adapter in int8, in nats a token: what a kernel set may round otherwise than another. */
export async function int8Loss(kernels: KernelSet): Promise<number> {
  const model = await loadModel('embedded');
  return withTrainer(model, 'int8', kernels, (trainer, { batch }) => {
    const { nllSum, targets } = trainer.evaluate(batch);
    return nllSum / targets;
  });
}
