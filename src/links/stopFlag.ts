import { InterruptedError } from '../errors.js';

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
