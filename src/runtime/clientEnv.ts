import { type AdapterLayout, sameLayout } from '../adapter/layout.js';
import type { JobEnv } from '../client/env.js';
import type { NativeTrainer } from '../native/binding.js';
import { type SharedExamples, sharedExample } from './sharedExamples.js';

/** An environment with one trainer, made anew where a job's layout is another one. */
export interface OneTrainerEnv extends JobEnv {
  dispose(): void;
}

/** A further client costs no further trainer: values, masks and optimizer state are all set by its job. */
export function makeClientEnv(params: {
  readonly examples: SharedExamples;
  createTrainer(layout: AdapterLayout): NativeTrainer;
}): OneTrainerEnv {
  let current: { layout: AdapterLayout; trainer: NativeTrainer } | undefined;
  const dispose = () => {
    current?.trainer.dispose();
    current = undefined;
  };
  return {
    trainer(layout) {
      if (current && sameLayout(current.layout, layout)) return current.trainer;
      dispose();
      current = { layout, trainer: params.createTrainer(layout) };
      return current.trainer;
    },
    example: (index) => sharedExample(params.examples, index),
    dispose,
  };
}
