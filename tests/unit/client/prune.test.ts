import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandRanks } from '../../../src/adapter/init.js';
import { type AdapterLayout, type LayoutModule, makeLayout } from '../../../src/adapter/layout.js';
import { countOnes } from '../../../src/adapter/masks.js';
import { type PruneOptions, pruneStage, stageBudget, topCandidates } from '../../../src/client/prune.js';
import { taylorScores } from '../../../src/client/pruneScores.js';
import { vector } from '../methods/arbitraries.js';

/** Three modules of unlike shape, of rank 6 each. */
const layout: AdapterLayout = makeLayout([
  { module: 'blk.0.attn_q', layer: 0, target: 'attn_q', inDim: 5, outDim: 7, rank: 6, scale: 2 },
  { module: 'blk.0.attn_v', layer: 0, target: 'attn_v', inDim: 5, outDim: 3, rank: 6, scale: 2 },
  { module: 'blk.1.ffn_up', layer: 1, target: 'ffn_up', inDim: 4, outDim: 9, rank: 6, scale: 2 },
]);
const ALL = new Uint8Array(layout.size).fill(1);
const endOf = ({ offsetB, outDim, rank }: LayoutModule) => offsetB + outDim * rank;
const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);

/** Scores anew at every stage, as a client's gradients are. Few values, so that there are ties. */
const scoresPerStage = fc.array(
  fc
    .array(fc.integer({ min: 0, max: 12 }), { minLength: layout.size, maxLength: layout.size })
    .map((scores) => Float64Array.from(scores, (score, p) => score + (p % 2) / 2)),
  { minLength: 4, maxLength: 4 },
);
const options = fc.record({
  prune: fc.constantFrom('element' as const, 'rank' as const),
  scope: fc.constantFrom('module' as const, 'global' as const),
  budgetRank: fc.integer({ min: 1, max: 6 }),
  stages: fc.integer({ min: 1, max: 4 }),
});

/** The masks after each stage. */
function masksOf(scores: readonly Float64Array[], settings: Omit<PruneOptions, 'stage'>): Uint8Array[] {
  const masks: Uint8Array[] = [];
  for (let stage = 1; stage <= settings.stages; stage++) {
    const before: Uint8Array = masks.at(-1) ?? ALL;
    // Two components that are left may score the same by chance, which is refused.
    const own = scores[stage - 1]!.map((score, at) => (settings.prune === 'rank' ? score + at / 1000 : score));
    masks.push(pruneStage(layout, own, before, { ...settings, stage }));
  }
  return masks;
}

const budgetOf = (module: LayoutModule, rank: number) => rank * (module.inDim + module.outDim);

describe('pruning in stages', () => {
  it('nests the masks and ends with the budget exactly: r_i (d + k) entries a module, or on average over modules', () => {
    fc.assert(
      fc.property(scoresPerStage, options, (scores, settings) => {
        const masks = masksOf(scores, settings);
        masks.forEach((mask, j) => {
          const before = masks[j - 1] ?? ALL;
          for (let p = 0; p < mask.length; p++) expect(mask[p]!).toBeLessThanOrEqual(before[p]!);
        });
        const last = masks.at(-1)!;
        const components = layout.modules.map((module) => keptComponents(last, module));
        if (settings.prune === 'rank') {
          const total = components.reduce((sum, kept) => sum + kept.length, 0);
          expect(total).toBe(settings.budgetRank * layout.modules.length);
        }
        for (const [m, module] of layout.modules.entries()) {
          const kept = countOnes(last.subarray(module.offsetA, endOf(module)));
          if (settings.scope === 'module') expect(kept).toBe(budgetOf(module, settings.budgetRank));
          if (settings.prune === 'rank') expect(kept).toBe(budgetOf(module, components[m]!.length));
        }
        const budget = layout.modules.reduce((sum, module) => sum + budgetOf(module, settings.budgetRank), 0);
        if (settings.prune === 'element') expect(countOnes(last)).toBe(budget);
      }),
    );
  });

  it('over all modules leaves no A and no B empty', () => {
    fc.assert(
      fc.property(scoresPerStage, options, (scores, settings) => {
        const last = masksOf(scores, { ...settings, scope: 'global' }).at(-1)!;
        for (const { offsetA, offsetB, outDim, rank } of layout.modules) {
          expect(countOnes(last.subarray(offsetA, offsetB))).toBeGreaterThan(0);
          expect(countOnes(last.subarray(offsetB, offsetB + outDim * rank))).toBeGreaterThan(0);
        }
      }),
    );
  });

  it('keeps the highest scores of a module, equal ones by index, as sorting them says', () => {
    fc.assert(
      fc.property(scoresPerStage, fc.integer({ min: 1, max: 5 }), ([scores], budgetRank) => {
        const mask = pruneStage(layout, scores!, ALL, {
          prune: 'element',
          scope: 'module',
          budgetRank,
          stage: 1,
          stages: 1,
        });
        for (const module of layout.modules) {
          const sorted = range(module.offsetA, endOf(module)).sort((a, b) => scores![b]! - scores![a]! || a - b);
          const expected = new Set(sorted.slice(0, budgetOf(module, budgetRank)));
          for (const p of sorted) expect(mask[p] === 1).toBe(expected.has(p));
        }
      }),
    );
  });

  it('by ranks keeps the components of the highest scores, one a component, equal ones by index', () => {
    fc.assert(
      fc.property(scoresPerStage, fc.integer({ min: 1, max: 5 }), ([scores], budgetRank) => {
        const mask = pruneStage(layout, scores!, ALL, {
          prune: 'rank',
          scope: 'module',
          budgetRank,
          stage: 1,
          stages: 1,
        });
        for (const [m, module] of layout.modules.entries()) {
          const own = scores!.subarray(6 * m, 6 * (m + 1));
          const sorted = range(0, module.rank).sort((a, b) => own[b]! - own[a]! || a - b);
          expect(keptComponents(mask, module)).toEqual(sorted.slice(0, budgetRank).sort((a, b) => a - b));
        }
      }),
    );
  });

  it('keeps everything, without asking for unlike scores, where the budget is the whole space (e = 1)', () => {
    const flat = new Float64Array(layout.size);
    for (const prune of ['element', 'rank'] as const) {
      for (const scope of ['module', 'global'] as const) {
        const masks = masksOf([flat, flat], { prune, scope, budgetRank: 6, stages: 2 });
        expect(masks.map((mask) => countOnes(mask))).toEqual([layout.size, layout.size]);
      }
    }
  });

  it('refuses scores that are all equal, as those of a fresh adapter with B = 0 are', () => {
    const { values } = expandRanks(layout, new Float32Array(layout.size), () => 6, 1);
    const gradient = new Float32Array(layout.size).map((_, p) => Math.sin(p));
    // B = 0: its entries score 0, and A has no gradient.
    for (const { offsetA, offsetB } of layout.modules) gradient.fill(0, offsetA, offsetB);
    for (const prune of ['element', 'rank'] as const) {
      const scores = taylorScores(layout, values, gradient, prune);
      for (const scope of ['module', 'global'] as const) {
        const settings = { prune, scope, budgetRank: 3, stage: 1, stages: 1 };
        expect(() => pruneStage(layout, scores, ALL, settings)).toThrow('warmup_steps');
      }
    }
  });
});

describe('one stage', () => {
  it('of J keeps the share rho^(j/J): by hand, 400 entries to 100 in two stages go over 200', () => {
    expect([1, 2].map((stage) => stageBudget(400, 100, stage, 2))).toEqual([200, 100]);
    expect([1, 2, 3].map((stage) => stageBudget(8000, 1000, stage, 3))).toEqual([4000, 2000, 1000]);
  });

  it('takes the best candidates only, in their order', () => {
    const scores = Float64Array.of(5, 1, 5, 7, 0, 5);
    expect([...topCandidates(scores, Uint32Array.from([0, 1, 2, 3, 5]), 3, 'here')]).toEqual([0, 2, 3]);
    expect([...topCandidates(scores, Uint32Array.from([1, 4]), 5, 'here')]).toEqual([1, 4]);
    expect([...topCandidates(scores, Uint32Array.from([1, 4]), 0, 'here')]).toEqual([]);
  });
});

describe('expansion', () => {
  it('keeps the old components at their places, adds rows of A that every seed-holder knows, and zeros in B', () => {
    fc.assert(
      fc.property(vector(layout.size), fc.integer({ min: 1, max: 4 }), fc.nat(), (values, e, seed) => {
        const wide = expandRanks(layout, values, (rank) => rank * e, seed);
        expect(expandRanks(layout, values, (rank) => rank * e, seed).values).toEqual(wide.values);
        layout.modules.forEach((from, m) => {
          const to = wide.layout.modules[m]!;
          expect([to.rank, to.scale]).toEqual([6 * e, from.scale]);
          for (let c = 0; c < to.rank; c++) {
            const place = componentEntries(to, c).map((p) => wide.values[p]!);
            if (c < 6) expect(place).toEqual(componentEntries(from, c).map((p) => values[p]!));
            else {
              const a = place.slice(0, to.inDim);
              expect(a.every((x) => Math.abs(x) <= 1 / Math.sqrt(to.inDim) && x !== 0)).toBe(true);
              expect(place.slice(to.inDim).every((x) => x === 0)).toBe(true);
            }
          }
        });
      }),
      { numRuns: 30 },
    );
  });
});

/** Entries of a rank component: its row of A, then its column of B. */
function componentEntries({ offsetA, offsetB, inDim, outDim, rank }: LayoutModule, c: number): number[] {
  return [
    ...range(offsetA + c * inDim, offsetA + (c + 1) * inDim),
    ...Array.from({ length: outDim }, (_, row) => offsetB + row * rank + c),
  ];
}

/** Components of which a mask keeps every entry. */
function keptComponents(mask: Uint8Array, module: LayoutModule): number[] {
  return range(0, module.rank).filter((c) => componentEntries(module, c).every((p) => mask[p] === 1));
}
