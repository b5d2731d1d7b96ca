import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandRanks } from '../../../src/adapter/init.js';
import { type AdapterLayout, makeLayout } from '../../../src/adapter/layout.js';
import { countOnes } from '../../../src/adapter/masks.js';
import { pruneStage } from '../../../src/client/prune.js';
import { magnitudeScores, randomScores, taylorScores } from '../../../src/client/pruneScores.js';
import { randomStream } from '../../../src/random.js';
import { vector } from '../methods/arbitraries.js';

const layout: AdapterLayout = makeLayout([
  { module: 'blk.0.attn_q', layer: 0, target: 'attn_q', inDim: 5, outDim: 7, rank: 4, scale: 2 },
  { module: 'blk.1.ffn_up', layer: 1, target: 'ffn_up', inDim: 4, outDim: 9, rank: 4, scale: 3 },
]);
const ALL = new Uint8Array(layout.size).fill(1);
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Gradients of A and B where that of the product s B A is G (out x in, one matrix a module): s B^T G and s G A^T. */
function factorGradients(values: Float32Array, products: readonly Float32Array[]): Float32Array {
  const gradient = new Float32Array(layout.size);
  layout.modules.forEach(({ inDim, outDim, rank, offsetA, offsetB, scale }, m) => {
    for (let c = 0; c < rank; c++) {
      for (let o = 0; o < outDim; o++) {
        for (let i = 0; i < inDim; i++) {
          const g = scale * products[m]![o * inDim + i]!;
          gradient[offsetA + c * inDim + i]! += g * values[offsetB + o * rank + c]!;
          gradient[offsetB + o * rank + c]! += g * values[offsetA + c * inDim + i]!;
        }
      }
    }
  });
  return gradient;
}

const products = fc.tuple(vector(35), vector(36));

describe('taylor', () => {
  it('of an entry is |theta g|', () => {
    const values = new Float32Array(layout.size).fill(-3);
    const gradient = new Float32Array(layout.size).map((_, p) => (p % 2 === 0 ? 0.5 : -2));
    expect(taylorScores(layout, values, gradient, 'element').slice(0, 2)).toEqual(Float64Array.of(1.5, 6));
  });

  it('of a component is what its product adds to the loss, to first order: |<G, s B_c A_c>|', () => {
    fc.assert(
      fc.property(vector(layout.size), products, (values, matrices) => {
        const scores = taylorScores(layout, values, factorGradients(values, matrices), 'rank');
        const expected = layout.modules.flatMap(({ inDim, outDim, rank, offsetA, offsetB, scale }, m) =>
          range(rank).map((c) => {
            let sum = 0;
            for (const o of range(outDim)) {
              for (const i of range(inDim)) {
                const product = scale * values[offsetB + o * rank + c]! * values[offsetA + c * inDim + i]!;
                sum += matrices[m]![o * inDim + i]! * product;
              }
            }
            return Math.abs(sum);
          }),
        );
        scores.forEach((score, c) => {
          expect(Math.abs(score - expected[c]!)).toBeLessThan(1e-3);
        });
      }),
    );
  });
});

describe('magnitude', () => {
  it('of a component is the norm of its product; of an entry it does not change with the scale of its factor', () => {
    fc.assert(
      fc.property(vector(layout.size), (values) => {
        const filled = values.map((value) => value + 3);
        const [{ inDim, outDim, rank, offsetA, offsetB }] = layout.modules as [(typeof layout.modules)[0]];
        const [first] = magnitudeScores(layout, filled, 'rank');
        let squares = 0;
        for (const o of range(outDim)) {
          for (const i of range(inDim)) squares += (filled[offsetB + o * rank]! * filled[offsetA + i]!) ** 2;
        }
        expect(first).toBeCloseTo(Math.sqrt(squares), 3);
        const scaled = filled.map((value, p) => (p >= offsetA && p < offsetB ? 0.25 * value : value));
        expect(magnitudeScores(layout, scaled, 'element')).toEqual(magnitudeScores(layout, filled, 'element'));
      }),
    );
  });

  it('is refused where B is 0', () => {
    const { values } = expandRanks(layout, new Float32Array(layout.size), () => 4, 1);
    expect(() => magnitudeScores(layout, values, 'element')).toThrow('warmup_steps');
  });
});

describe('chance', () => {
  it.each(['element', 'rank'] as const)(
    'by %s keeps the same share of every module, other entries at each seed',
    (prune) => {
      const settings = { prune, scope: 'module', budgetRank: 2, stage: 1, stages: 1 } as const;
      const maskOf = (seed: number) =>
        pruneStage(layout, randomScores(layout, prune, randomStream(seed, 'prune')), ALL, settings);
      expect(maskOf(1)).toEqual(maskOf(1));
      expect(maskOf(1)).not.toEqual(maskOf(3));
      for (const seed of range(20)) expect(countOnes(maskOf(seed))).toBe(layout.size / 2);
      // Each entry is kept as often as any other.
      const counts = range(400).reduce(
        (sum, seed) => sum.map((count, p) => count + maskOf(seed)[p]!),
        new Float64Array(layout.size),
      );
      for (const count of counts) expect(Math.abs(count / 400 - 0.5)).toBeLessThan(0.15);
    },
  );
});
