import { InterruptedError } from '../errors.js';
import type { NativeTrainer } from '../native/binding.js';
import { Trainer } from '../native/engine.js';

/** A flag that all threads share: whether the run ends. */
export type StopFlag = Int32Array;

export const makeStopFlag = (): StopFlag => new Int32Array(new SharedArrayBuffer(4));

export const stop = (flag: StopFlag): void => {
  Atomics.store(flag, 0, 1);
};

/** Throws InterruptedError where the run ends. */
export function throwIfStopped(flag: StopFlag): void {
  if (Atomics.load(flag, 0) !== 0) throw new InterruptedError('Interrupted.');
}

/**
 * A trainer that goes no further once the run ends. A thread must not be terminated inside the engine, whose calls into
 * JavaScript then fail in a way that ends the process.
 */
export class StoppableTrainer extends Trainer {
  readonly #flag: StopFlag;

  constructor(options: ConstructorParameters<typeof Trainer>[0], flag: StopFlag) {
    super(options);
    this.#flag = flag;
  }

  override step(...args: Parameters<NativeTrainer['step']>): ReturnType<NativeTrainer['step']> {
    throwIfStopped(this.#flag);
    return super.step(...args);
  }

  override gradient(...args: Parameters<NativeTrainer['gradient']>): ReturnType<NativeTrainer['gradient']> {
    throwIfStopped(this.#flag);
    return super.gradient(...args);
  }

  override evaluate(...args: Parameters<NativeTrainer['evaluate']>): ReturnType<NativeTrainer['evaluate']> {
    throwIfStopped(this.#flag);
    return super.evaluate(...args);
  }
}
