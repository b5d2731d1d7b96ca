import { AdapterError, FedtuneError } from '../errors.js';
import type { Adapter } from './layout.js';
import { wordsOf } from './masks.js';

/** Of a float32: the exponent, which is all ones where it is not finite; and all but the sign. */
const EXPONENT = 0x7f800000;
const MAGNITUDE = 0x7fffffff;

/** Whether all values are finite, and 0 outside the mask: without a branch an entry, as every update is looked through. */
function isSound(values: Float32Array, mask: Uint8Array | null): boolean {
  const words = wordsOf(values);
  let infinite = 0;
  let outside = 0;
  for (let p = 0; p < words.length; p++) {
    const word = words[p]!;
    infinite |= ((word & EXPONENT) + 0x00800000) & 0x80000000;
    if (mask !== null) outside |= word & (mask[p]! - 1);
  }
  return infinite === 0 && (outside & MAGNITUDE) === 0;
}

/** Throws AdapterError BAD_SHAPE, NON_FINITE or MASK_VIOLATED, naming `what` the adapter is. */
export function checkAdapter(adapter: Adapter, what: string): void {
  const { layout, values, mask } = adapter;
  if (values.length !== layout.size || (mask !== null && mask.length !== layout.size)) {
    throw new AdapterError(
      'BAD_SHAPE',
      `Expected ${layout.size} entries in ${what} but received ${values.length} values and ${mask?.length ?? 'no'} mask entries.`,
    );
  }
  if (isSound(values, mask)) return;
  for (let p = 0; p < values.length; p++) {
    if (!Number.isFinite(values[p]!)) {
      throw new AdapterError(
        'NON_FINITE',
        `Expected finite values in ${what} but entry ${p} is ${values[p]}; lower the learning rate or clip the gradient.`,
      );
    }
    if (mask !== null && mask[p] === 0 && values[p] !== 0) {
      throw new AdapterError('MASK_VIOLATED', `Expected 0 outside the mask of ${what} but entry ${p} is ${values[p]}.`);
    }
  }
}

/** Throws FedtuneError NON_FINITE, which names owner, array and entry. */
export function checkFinite(values: Float32Array, client: string, what: string): void {
  if (isSound(values, null)) return;
  for (let p = 0; p < values.length; p++) {
    if (Number.isFinite(values[p])) continue;
    throw new FedtuneError(
      'NON_FINITE',
      `Expected finite values from ${client} but entry ${p} of its ${what} is ${values[p]}. Lower learning_rate.`,
    );
  }
}
