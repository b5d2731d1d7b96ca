import { describe, expect, it } from 'vitest';
import { type AdapterLayout, type LayoutModule, makeLayout } from '../../../src/adapter/layout.js';
import { countOnes } from '../../../src/adapter/masks.js';
import { importance, type PruneOptions, pruneStage, stageBudget, topCandidates } from '../../../src/client/prune.js';
import fc from '../../support/properties.js';

const LAYOUT = makeLayout([
  { module: 'blk.0.attn_q', layer: 0, target: 'attn_q', inDim: 5, outDim: 3, rank: 4, scale: 1 },
  { module: 'blk.0.ffn_up', layer: 0, target: 'ffn_up', inDim: 4, outDim: 6, rank: 4, scale: 1 },
]);

const whole = () => new Uint8Array(LAYOUT.size).fill(1);
const partOf = (mask: Uint8Array, { offsetA, offsetB, outDim, rank }: LayoutModule) =>
  mask.subarray(offsetA, offsetB + outDim * rank);
const perModule = (mask: Uint8Array) => LAYOUT.modules.map((module) => countOnes(partOf(mask, module)));
const isInside = (mask: Uint8Array, other: Uint8Array) => mask.every((bit, p) => bit <= other[p]!);

/** Rank components that are whole, whole or not at all. */
function componentsOf(layout: AdapterLayout, mask: Uint8Array): number[] {
  return layout.modules.map(({ rank, inDim, outDim, offsetA, offsetB }) => {
    let kept = 0;
    for (let c = 0; c < rank; c++) {
      let ones = countOnes(mask.subarray(offsetA + c * inDim, offsetA + (c + 1) * inDim));
      for (let row = 0; row < outDim; row++) ones += mask[offsetB + row * rank + c]!;
      expect([0, inDim + outDim]).toContain(ones);
      if (ones > 0) kept++;
    }
    return kept;
  });
}

/** Scores of which no two are equal. */
const scores = fc
  .array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: LAYOUT.size, maxLength: LAYOUT.size })
  .map((values) => Float64Array.from(values, (value, p) => value + p * 1e-9));

/** All stages with the same scores each time, as far as they are inside the mask. */
function prune(score: Float64Array, options: Omit<PruneOptions, 'stage'>): Uint8Array[] {
  const masks: Uint8Array[] = [whole()];
  for (let stage = 1; stage <= options.stages; stage++) {
    const mask = masks.at(-1)!;
    const inside = score.map((value, p) => (mask[p] === 1 ? value : -1));
    masks.push(pruneStage(LAYOUT, inside, mask, { ...options, stage }));
  }
  return masks;
}

const budgets = fc.record({
  prune: fc.constantFrom('element' as const, 'rank' as const),
  scope: fc.constantFrom('module' as const, 'global' as const),
  budgetRank: fc.integer({ min: 1, max: 4 }),
  stages: fc.integer({ min: 1, max: 5 }),
});

describe('the budget of a stage', () => {
  it('is total * rho^(j/J), the budget itself at the end', () => {
    // 64 -> 16 in 2 stages: 64 * (1/4)^(1/2) = 32
    expect([1, 2].map((stage) => stageBudget(64, 16, stage, 2))).toEqual([32, 16]);
    // 100 -> 50 in 3 stages: 100 / 2^(1/3) = 79.37, 100 / 2^(2/3) = 62.996
    expect([1, 2, 3].map((stage) => stageBudget(100, 50, stage, 3))).toEqual([79, 63, 50]);
    expect(stageBudget(10, 10, 1, 4)).toBe(10);
  });
});

describe('the best of the candidates', () => {
  it('are exactly as many as asked for, equal scores by lower index', () => {
    const score = Float64Array.of(5, 1, 5, 3, 5, 2);
    expect(topCandidates(score, [0, 1, 2, 3, 4, 5], 2, 'x')).toEqual([0, 2]);
    expect(topCandidates(score, [1, 2, 3, 4], 2, 'x')).toEqual([2, 4]);
    expect(topCandidates(score, [0, 1, 2, 3, 4, 5], 4, 'x')).toEqual([0, 2, 3, 4]);
    expect(topCandidates(score, [0, 1], 5, 'x')).toEqual([0, 1]);
    expect(topCandidates(score, [0, 1], 0, 'x')).toEqual([]);
  });

  it('are not drawn from equal ones', () => {
    const fail = () => topCandidates(new Float64Array(6), [0, 1, 2, 3], 2, 'blk.0.attn_q');
    expect(fail).toThrow(
      expect.objectContaining({
        name: 'AdapterError',
        code: 'EQUAL_SCORES',
        message: expect.stringMatching(/blk\.0\.attn_q.*warmup_steps/),
      }),
    );
  });
});

describe('scores', () => {
  it('are |theta * gradient|, -1 outside the mask', () => {
    const score = importance(Float32Array.of(2, -3, 4, 5), Float32Array.of(0.5, 2, -1, 1), Uint8Array.of(1, 1, 1, 0));
    expect([...score]).toEqual([1, 6, 4, -1]);
  });

  it('of a fresh adapter are all 0: nothing is pruned arbitrarily', () => {
    const values = new Float32Array(LAYOUT.size);
    for (const { offsetA, offsetB } of LAYOUT.modules) values.fill(0.1, offsetA, offsetB);
    const gradient = new Float32Array(LAYOUT.size);
    for (const { offsetB, outDim, rank } of LAYOUT.modules) gradient.fill(0.2, offsetB, offsetB + outDim * rank);
    const score = importance(values, gradient, whole());
    for (const prune of ['element', 'rank'] as const) {
      for (const scope of ['module', 'global'] as const) {
        const options = { prune, scope, budgetRank: 2, stage: 1, stages: 2 };
        expect(() => pruneStage(LAYOUT, score, whole(), options)).toThrow(
          expect.objectContaining({ code: 'EQUAL_SCORES' }),
        );
      }
    }
  });
});

describe('a pruned adapter', () => {
  it('ends with exactly its budget; masks are nested', () => {
    fc.assert(
      fc.property(scores, budgets, (score, options) => {
        const masks = prune(score, options);
        for (let j = 1; j < masks.length; j++) expect(isInside(masks[j]!, masks[j - 1]!)).toBe(true);
        const last = masks.at(-1)!;
        const budget = LAYOUT.modules.map(({ inDim, outDim }) => options.budgetRank * (inDim + outDim));
        const total = budget[0]! + budget[1]!;
        if (options.prune === 'rank') {
          const kept = componentsOf(LAYOUT, last);
          if (options.scope === 'module') expect(kept).toEqual([options.budgetRank, options.budgetRank]);
          else expect(kept[0]! + kept[1]!).toBe(2 * options.budgetRank);
          expect(Math.min(...kept)).toBeGreaterThan(0);
        } else if (options.scope === 'module') expect(perModule(last)).toEqual(budget);
        else expect(countOnes(last)).toBe(total);
      }),
    );
  });

  it('keeps the highest scores of each module in one stage', () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: 1, max: 4 }), (score, budgetRank) => {
        const [, mask] = prune(score, { prune: 'element', scope: 'module', budgetRank, stages: 1 });
        for (const { offsetA, offsetB, outDim, rank, inDim } of LAYOUT.modules) {
          const inside = [...score.keys()].slice(offsetA, offsetB + outDim * rank);
          const best = [...inside].sort((p, q) => score[q]! - score[p]!).slice(0, budgetRank * (inDim + outDim));
          expect(inside.filter((p) => mask![p] === 1)).toEqual(best.sort((p, q) => p - q));
        }
      }),
    );
  });

  it('over all modules leaves no A and no B empty', () => {
    // Everything that counts is in the first module.
    const score = Float64Array.from(
      { length: LAYOUT.size },
      (_, p) => (p < LAYOUT.modules[1]!.offsetA ? 10 : 0) + p * 1e-6,
    );
    const [, mask] = prune(score, { prune: 'element', scope: 'global', budgetRank: 1, stages: 1 });
    for (const { offsetA, offsetB, outDim, rank } of LAYOUT.modules) {
      expect(countOnes(mask!.subarray(offsetA, offsetB))).toBeGreaterThan(0);
      expect(countOnes(mask!.subarray(offsetB, offsetB + outDim * rank))).toBeGreaterThan(0);
    }
  });

  it('by rank keeps the components with the highest sum of row of A and column of B', () => {
    const score = new Float64Array(LAYOUT.size).fill(1e-3);
    const { offsetA, offsetB, inDim, rank } = LAYOUT.modules[0]!;
    score[offsetA + 2 * inDim] = 1; // one entry of A's row 2
    for (let row = 0; row < 3; row++) score[offsetB + row * rank + 1] = 0.4; // B's column 1: 1.2 in all
    const second = LAYOUT.modules[1]!;
    score[second.offsetA + 3 * second.inDim] = 1;
    const [, mask] = prune(score, { prune: 'rank', scope: 'module', budgetRank: 1, stages: 1 });
    expect(countOnes(mask!.subarray(offsetA + inDim, offsetA + 2 * inDim))).toBe(inDim);
    expect(componentsOf(LAYOUT, mask!)).toEqual([1, 1]);
  });
});
