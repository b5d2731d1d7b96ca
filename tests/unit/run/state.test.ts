import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeState, encodeState } from '../../../src/run/state.js';

const value = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.string(),
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.float32Array({ maxLength: 5 }),
    fc.float64Array({ maxLength: 5 }),
    fc.int32Array({ maxLength: 5 }),
    fc.uint8Array({ maxLength: 9 }),
  ),
  node: fc.oneof(
    { depthSize: 'small' },
    tie('leaf'),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie('node'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).node;

describe('a state file', () => {
  it('reads back as it was written, to the bit', () => {
    fc.assert(
      fc.property(value, (state) => {
        expect(decodeState(encodeState(state), 'x.state')).toEqual(state);
      }),
    );
  });

  it('keeps views of a part of their memory', () => {
    const memory = Float32Array.from([1, 2, 3, 4]);
    expect(decodeState(encodeState({ part: memory.subarray(1, 3) }), 'x.state')).toEqual({
      part: Float32Array.from([2, 3]),
    });
  });

  it('is refused by name with any bit flipped and with any end cut off', () => {
    const bytes = encodeState({ round: 3, values: Float32Array.from([1, Number.NaN, 3]), text: 'Straße' });
    const refused = expect.objectContaining({
      code: 'STATE_DAMAGED',
      message: expect.stringContaining('round-3.state'),
    });
    const attempt = (altered: Buffer): unknown => {
      try {
        return decodeState(altered, 'round-3.state');
      } catch (error) {
        return error;
      }
    };
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes);
      altered[at] = altered[at]! ^ (1 << (at % 8));
      expect(attempt(altered), `bit at byte ${at}`).toEqual(refused);
      expect(attempt(bytes.subarray(0, at)), `cut at byte ${at}`).toEqual(refused);
    }
  });
});
