import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { macroF1 } from '../../../src/eval/classes.js';

const inPlace = (place: number): number => place;

describe('macro F1', () => {
  it('is the mean of the harmonic means of precision and recall', () => {
    const label = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(fc.array(fc.tuple(label, label), { minLength: 1, maxLength: 30 }), (pairs) => {
        const labels = [...new Set(pairs.flat())];
        const f1 = labels.map((one) => {
          const hits = pairs.filter(([right, picked]) => right === one && picked === one).length;
          const precision = hits / pairs.filter(([, picked]) => picked === one).length || 0;
          const recall = hits / pairs.filter(([right]) => right === one).length || 0;
          return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
        });
        const [right, picked] = [pairs.map(([one]) => one), pairs.map(([, one]) => one)];
        expect(macroF1(right, picked, inPlace)).toBeCloseTo(f1.reduce((a, b) => a + b, 0) / labels.length, 12);
      }),
    );
  });

  it('is of the examples that are drawn', () => {
    expect(macroF1([0, 1], [0, 0], () => 0)).toBe(1);
    expect(macroF1([0, 1], [0, 0], () => 1)).toBe(0);
    // Class 0: precision 1/2, recall 1; class 1: none.
    expect(macroF1([0, 1], [0, 0], inPlace)).toBeCloseTo(1 / 3, 12);
  });
});
