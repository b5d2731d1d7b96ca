import { describe, expect, it } from 'vitest';
import { budgetEntries, rankForMemory } from '../../../src/adapter/budget.js';
import { checkAdapter } from '../../../src/adapter/check.js';
import {
  aliveComponents,
  compactAdapter,
  concatComponents,
  firstComponents,
  gatherComponents,
  leadingComponents,
  scatterComponents,
} from '../../../src/adapter/components.js';
import { factorMask } from '../../../src/adapter/factors.js';
import { expandRanks, initialValues } from '../../../src/adapter/init.js';
import {
  HF_NAMES,
  type LayoutModule,
  makeLayout,
  parseTarget,
  sameLayout,
  TARGETS,
  withRanks,
} from '../../../src/adapter/layout.js';
import { countOnes, intersectMasks, jaccard, maskValues } from '../../../src/adapter/masks.js';
import { layoutFor, loraScale, trainerModules } from '../../../src/adapter/shapes.js';
import fc from '../../support/properties.js';
import { makeTinyModel, TINY } from '../../support/tinyModel.js';
import { denseProducts, maskOf, vector } from '../methods/arbitraries.js';

/** Two modules of unlike shapes and ranks. */
const LAYOUT = makeLayout([
  { module: 'blk.0.attn_q', layer: 0, target: 'attn_q', inDim: 3, outDim: 4, rank: 2, scale: 2 },
  { module: 'blk.1.ffn_down', layer: 1, target: 'ffn_down', inDim: 5, outDim: 2, rank: 3, scale: 0.5 },
]);

/** The function of an adapter inside its mask. */
const functionOf = (layout: typeof LAYOUT, values: Float32Array, mask: Uint8Array | null = null) =>
  denseProducts(layout, maskValues(values, mask));

describe('the layout', () => {
  it('lays modules out one after the other, A before B', () => {
    expect(LAYOUT.modules.map(({ offsetA, offsetB }) => [offsetA, offsetB])).toEqual([
      [0, 6],
      [14, 29],
    ]);
    expect(LAYOUT.size).toBe(2 * (3 + 4) + 3 * (5 + 2));
  });

  it('keeps the scale under other ranks', () => {
    const wide = withRanks(LAYOUT, ({ rank }) => 2 * rank);
    expect(wide.size).toBe(2 * LAYOUT.size);
    expect(wide.modules.map(({ scale }) => scale)).toEqual([2, 0.5]);
    expect(sameLayout(wide, LAYOUT)).toBe(false);
    expect(
      sameLayout(
        withRanks(wide, ({ rank }) => rank / 2),
        LAYOUT,
      ),
    ).toBe(true);
  });

  it('tells layouts of other scales, names and shapes apart', () => {
    const change = (more: Partial<LayoutModule>) =>
      makeLayout(LAYOUT.modules.map((module, i) => (i === 0 ? { ...module, ...more } : module)));
    for (const more of [{ scale: 3 }, { module: 'blk.9.attn_q' }, { inDim: 4, outDim: 3 }, { rank: 1 }]) {
      expect(sameLayout(change(more), LAYOUT), JSON.stringify(more)).toBe(false);
    }
    expect(sameLayout(change({}), LAYOUT)).toBe(true);
  });

  it('takes module names of both worlds', () => {
    for (const target of TARGETS) {
      const hf = HF_NAMES[target];
      for (const name of [target, hf, hf.split('.')[1]!]) expect(parseTarget(name)).toBe(target);
    }
    expect(() => parseTarget('lm_head')).toThrow(expect.objectContaining({ code: 'UNKNOWN_TARGET' }));
  });
});

describe('the layout for a base', () => {
  const model = makeTinyModel();

  it('takes dimensions from the tensors, in canonical order', () => {
    const layout = layoutFor(model, { rank: 2, alpha: 8, targets: ['down_proj', 'q_proj', 'attn_k'] });
    expect(layout.modules.map(({ module, inDim, outDim }) => [module, inDim, outDim])).toEqual(
      [0, 1].flatMap((layer) => [
        [`blk.${layer}.attn_q`, TINY.hidden, TINY.heads * TINY.headDim],
        [`blk.${layer}.attn_k`, TINY.hidden, TINY.kvHeads * TINY.headDim],
        [`blk.${layer}.ffn_down`, TINY.ffn, TINY.hidden],
      ]),
    );
    expect(trainerModules(layout)[0]).toEqual({ module: 'blk.0.attn_q', rank: 2, scale: 4 });
    expect(layoutFor(model, { rank: 2, alpha: 8 }).modules).toHaveLength(2 * TARGETS.length);
  });

  it('scales by alpha / rank, or alpha / sqrt(rank)', () => {
    expect(loraScale(16, 32)).toBe(2);
    expect(loraScale(16, 32, true)).toBe(8);
  });

  it.each([
    [{ rank: 0, alpha: 1 }, 'BAD_RANK'],
    [{ rank: 1.5, alpha: 1 }, 'BAD_RANK'],
    [{ rank: 1, alpha: 1, targets: ['embed_tokens'] }, 'UNKNOWN_TARGET'],
  ])('%j is a %s', (shape, code) => {
    expect(() => layoutFor(model, shape)).toThrow(expect.objectContaining({ name: 'AdapterError', code }));
  });

  it('names a layer that the base does not have', () => {
    const without = { ...model, tensors: model.tensors.filter(({ name }) => name !== 'blk.1.ffn_gate.weight') };
    expect(() => layoutFor(without, { rank: 1, alpha: 1 })).toThrow('blk.1.ffn_gate.weight');
  });

  it('takes q, k and v, or gate and up, as one where the base keeps them in one tensor', () => {
    const fused = makeTinyModel({ fusedQkv: true, fusedGateUp: true });
    const targets = (names?: string[]) =>
      layoutFor(fused, { rank: 1, alpha: 1, ...(names && { targets: names }) })
        .modules.filter(({ layer }) => layer === 0)
        .map(({ target }) => target);
    const all = ['attn_qkv', 'attn_output', 'ffn_gate_up', 'ffn_down'];
    expect(targets()).toEqual(all);
    expect(targets(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'])).toEqual(all);
    expect(targets(['qkv_proj', 'gate_up_proj'])).toEqual(['attn_qkv', 'ffn_gate_up']);
    expect(() => targets(['q_proj', 'v_proj'])).toThrow(expect.objectContaining({ code: 'MISSING_TARGET' }));
    const plain = { rank: 1, alpha: 1, targets: ['qkv_proj'] };
    expect(() => layoutFor(makeTinyModel(), plain)).toThrow(expect.objectContaining({ code: 'MISSING_TARGET' }));
  });

  it('knows what a rank costs', () => {
    const entries = LAYOUT.modules.reduce((sum, { inDim, outDim }) => sum + inDim + outDim, 0);
    expect(budgetEntries(LAYOUT, 3)).toBe(3 * entries);
    // 14 entries a rank, 16 bytes each (value, gradient, two moments).
    expect(rankForMemory(LAYOUT, (5.9 * 14 * 16) / 2 ** 20)).toBe(5);
    expect(rankForMemory(LAYOUT, 1e-9)).toBe(1);
  });
});

describe('a fresh adapter', () => {
  const values = initialValues(LAYOUT, 7);

  it('has A uniform in +-1/sqrt(in) and B zero, so it changes nothing', () => {
    const large = makeLayout([{ ...LAYOUT.modules[0]!, inDim: 400, rank: 16 }]);
    const a = initialValues(large, 1).subarray(0, 400 * 16);
    const bound = 1 / Math.sqrt(400);
    expect(Math.max(...a)).toBeLessThanOrEqual(bound);
    expect(Math.max(...a)).toBeGreaterThan(0.99 * bound);
    expect(Math.min(...a)).toBeLessThan(-0.99 * bound);
    // The variance of U(-b, b) is b^2 / 3; 6,400 draws give it within a few percent.
    const variance = a.reduce((sum, x) => sum + x * x, 0) / a.length;
    expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 1);
    expect(
      functionOf(LAYOUT, values)
        .flat()
        .every((x) => x === 0),
    ).toBe(true);
  });

  it('follows the seed; its first rows do not depend on the rank', () => {
    expect(initialValues(LAYOUT, 7)).toEqual(values);
    expect(initialValues(LAYOUT, 8)).not.toEqual(values);
    const wide = initialValues(
      withRanks(LAYOUT, ({ rank }) => rank + 3),
      7,
    );
    expect(wide.subarray(0, 6)).toEqual(values.subarray(0, 6));
  });
});

describe('expansion (PerFIT, step 1)', () => {
  it('leaves the function as it was, exactly', () => {
    fc.assert(
      fc.property(vector(LAYOUT.size), fc.integer({ min: 1, max: 4 }), fc.nat(), (values, factor, seed) => {
        const expanded = expandRanks(LAYOUT, values, (rank) => rank * factor, seed);
        expect(expanded.layout.modules.map(({ rank }) => rank)).toEqual([2 * factor, 3 * factor]);
        expect(expanded.layout.modules.map(({ scale }) => scale)).toEqual([2, 0.5]);
        expect(functionOf(expanded.layout, expanded.values)).toEqual(functionOf(LAYOUT, values));
        // New rows are as a fresh adapter has them: equal for all who know the seed.
        const fresh = initialValues(expanded.layout, seed);
        const { offsetA, inDim, rank } = expanded.layout.modules[0]!;
        const added = [offsetA + 2 * inDim, offsetA + rank * inDim] as const;
        expect(expanded.values.subarray(...added)).toEqual(fresh.subarray(...added));
      }),
    );
  });

  it('never makes a module smaller', () => {
    const same = expandRanks(LAYOUT, initialValues(LAYOUT, 1), () => 1, 1);
    expect(same.layout).toEqual(LAYOUT);
    expect(same.values).toEqual(initialValues(LAYOUT, 1));
  });
});

describe('components', () => {
  it('gathered and scattered are what they were', () => {
    fc.assert(
      fc.property(vector(LAYOUT.size), fc.integer({ min: 1, max: 3 }), (values, rank) => {
        const selection = firstComponents(LAYOUT, rank);
        const small = gatherComponents(selection, values);
        expect(small).toHaveLength(selection.to.size);
        const back = scatterComponents(selection, small, new Float32Array(LAYOUT.size));
        expect(gatherComponents(selection, back)).toEqual(small);
        const ones = gatherComponents(selection, new Uint8Array(LAYOUT.size).fill(1));
        expect(countOnes(scatterComponents(selection, ones, new Uint8Array(LAYOUT.size)))).toBe(selection.to.size);
      }),
    );
  });

  it('by hand: the second component of a 2 x 2 module of rank 2', () => {
    const layout = makeLayout([{ ...LAYOUT.modules[0]!, inDim: 2, outDim: 2, rank: 2 }]);
    // A = [1 2; 3 4] (rows are components), B = [5 6; 7 8] (columns are components)
    const mask = Uint8Array.of(0, 0, 0, 1, 0, 1, 0, 0);
    const selection = aliveComponents(layout, mask)!;
    expect(selection.components).toEqual([[1]]);
    expect([...gatherComponents(selection, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8))]).toEqual([3, 4, 6, 8]);
  });

  it('an adapter without its dead components is the same function', () => {
    fc.assert(
      fc.property(vector(LAYOUT.size), maskOf(LAYOUT.size), fc.nat(4), (values, bits, dead) => {
        // Kills one component whole, so that there is something to leave out.
        const mask = bits.slice();
        const { offsetA, offsetB, inDim, outDim, rank } = LAYOUT.modules[dead % 2]!;
        mask.fill(0, offsetA, offsetA + inDim);
        for (let row = 0; row < outDim; row++) mask[offsetB + row * rank] = 0;
        const compact = compactAdapter({ layout: LAYOUT, values: maskValues(values, mask), mask });
        expect(compact.layout.size).toBeLessThan(LAYOUT.size);
        expect(functionOf(compact.layout, compact.values, compact.mask)).toEqual(functionOf(LAYOUT, values, mask));
      }),
    );
  });

  it('of several adapters one after the other are their sum', () => {
    fc.assert(
      fc.property(vector(LAYOUT.size), vector(LAYOUT.size), (one, two) => {
        const whole = concatComponents([
          { layout: LAYOUT, values: one },
          { layout: LAYOUT, values: two },
        ]);
        const sum = functionOf(whole.layout, whole.values);
        const [f, g] = [functionOf(LAYOUT, one), functionOf(LAYOUT, two)];
        sum.forEach((product, m) => {
          product.forEach((x, i) => {
            expect(x).toBeCloseTo(f[m]![i]! + g[m]![i]!, 12);
          });
        });
        expect(gatherComponents(leadingComponents(whole.layout, LAYOUT), whole.values)).toEqual(one);
      }),
    );
  });
});

describe('masks', () => {
  it('A and B are disjoint and everything together', () => {
    const [a, b] = [factorMask(LAYOUT, 'A')!, factorMask(LAYOUT, 'B')!];
    expect(factorMask(LAYOUT, 'both')).toBeNull();
    expect([...a].map((bit, p) => bit + b[p]!)).toEqual(new Array(LAYOUT.size).fill(1));
    expect([...a.subarray(0, 14)]).toEqual([...new Array(6).fill(1), ...new Array(8).fill(0)]);
  });

  it('intersect; null stands for all ones', () => {
    const [a, b] = [Uint8Array.of(1, 1, 0, 0), Uint8Array.of(1, 0, 1, 0)];
    expect(intersectMasks(a, b)).toEqual(Uint8Array.of(1, 0, 0, 0));
    expect(intersectMasks(a, null)).toBe(a);
    expect(intersectMasks(null, b)).toBe(b);
    expect(intersectMasks(null, null)).toBeNull();
  });

  it('overlap by Jaccard', () => {
    const [a, b] = [Uint8Array.of(1, 1, 0, 0), Uint8Array.of(1, 0, 1, 0)];
    expect(jaccard(a, b)).toBeCloseTo(1 / 3, 12);
    expect(jaccard(a, a)).toBe(1);
    expect(
      jaccard(
        a,
        a.map((bit) => 1 - bit),
      ),
    ).toBe(0);
    expect(jaccard(a, null)).toBe(0.5);
    expect(jaccard(null, null)).toBe(1);
  });
});

describe('checks of an adapter', () => {
  const fine = { layout: LAYOUT, values: new Float32Array(LAYOUT.size), mask: null };
  it.each([
    [{ ...fine, values: new Float32Array(3) }, 'BAD_SHAPE'],
    [{ ...fine, mask: new Uint8Array(3) }, 'BAD_SHAPE'],
    [{ ...fine, values: fine.values.map((_, p) => (p === 5 ? Number.NaN : 0)) }, 'NON_FINITE'],
    [{ ...fine, values: fine.values.map((_, p) => (p === 5 ? Number.POSITIVE_INFINITY : 0)) }, 'NON_FINITE'],
    [
      { ...fine, values: fine.values.map((_, p) => (p === 5 ? 1 : 0)), mask: new Uint8Array(LAYOUT.size) },
      'MASK_VIOLATED',
    ],
  ])('%#: %s', (adapter, code) => {
    expect(() => checkAdapter(adapter, 'the update of north')).toThrow(
      expect.objectContaining({ name: 'AdapterError', code, message: expect.stringContaining('the update of north') }),
    );
    expect(() => checkAdapter(fine, 'x')).not.toThrow();
  });
});
