import fc from 'fast-check';
import { expect, it } from 'vitest';
import { holm } from '../../src/holm.js';

/** The procedure as it is defined: the smallest against level / m, the next against level / (m - 1), until one fails. */
function rejected(values: readonly number[], level: number): boolean[] {
  const result = values.map(() => false);
  const order = [...values.keys()].sort((i, j) => values[i]! - values[j]!);
  for (const [rank, index] of order.entries()) {
    if (values[index]! * (values.length - rank) > level) break;
    result[index] = true;
  }
  return result;
}

it('rejects what the step-down procedure rejects, at every level', () => {
  const p = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(p, { minLength: 1, maxLength: 12 }),
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      (values, level) => {
        expect(holm(values).map((one) => one <= level)).toEqual(rejected(values, level));
      },
    ),
  );
});

it('gives the values of the textbook', () => {
  expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02].map((x) => expect.closeTo(x, 12)));
  expect(holm([])).toEqual([]);
});
