import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AdapterLayout } from '../../../src/adapter/layout.js';
import { intersectMasks, maskValues } from '../../../src/adapter/masks.js';
import { parseConfig } from '../../../src/config/parse.js';
import { betaAt } from '../../../src/mutation/options.js';
import { type MutationInput, type MutationPlan, mutatedFactors, planMutation } from '../../../src/mutation/plan.js';
import { randomStream } from '../../../src/random.js';
import { denseProducts, frobenius, maskOf, vector } from '../methods/arbitraries.js';
import { toyLayout } from '../methods/quadratic.js';

const layout = toyLayout(6, 2, 3);

interface Case {
  readonly masks: readonly (Uint8Array | null)[];
  readonly theta: Float32Array;
  readonly step: Float32Array;
  readonly seed: number;
}

const cases = (clients: number, masked: boolean): fc.Arbitrary<Case> =>
  fc.record({
    masks: fc.array(masked ? maskOf(layout.size) : fc.constant(null), { minLength: clients, maxLength: clients }),
    theta: vector(layout.size),
    // No entry of the global step is 0, so that every move can be told from none.
    step: vector(layout.size).map((step) => step.map((value) => value + (value < 0 ? -0.01 : 0.01))),
    seed: fc.nat(),
  });

function plan(
  { masks, theta, step, seed }: Case,
  settings: Record<string, unknown>,
  more: Partial<MutationInput> = {},
) {
  const clients = masks.map((mask, i) => ({ id: `c${i}`, mask }));
  const made = planMutation({
    layout,
    // The half-space and steps of any length, where a test does not say otherwise.
    options: parseConfig({ mutation: 'fedqp', cone_degrees: 90, mutation_bound: null, ...settings }),
    round: 2,
    numRounds: 10,
    clients,
    numClients: clients.length,
    theta,
    step,
    directions: [],
    factors: 'both',
    random: randomStream(seed, 'test'),
    ...more,
  });
  /** What each client is moved by, in float64. */
  const moves = (p: MutationPlan) =>
    clients.map(({ id, mask }) => {
      const own = maskValues(theta, mask);
      return Float64Array.from(p.mutantOf(id, own) ?? own, (value, at) => value - own[at]!);
    });
  return { made, moves: made ? moves(made) : [] };
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>, mask: Uint8Array | null = null) => {
  let sum = 0;
  for (let p = 0; p < a.length; p++) if (mask === null || mask[p] === 1) sum += a[p]! * b[p]!;
  return sum;
};
const sumOf = (moves: readonly Float64Array[], p: number) => moves.reduce((sum, move) => sum + move[p]!, 0);
const UNCAPPED = { momentum_cap: null };

describe('FedMut', () => {
  it('moves the clients of a pair against each other, module by module, by alpha g or alpha (beta - 1) g', () => {
    fc.assert(
      fc.property(cases(4, false), (input) => {
        const { made, moves } = plan(input, { mutation: 'fedmut', alpha: 0.5, ...UNCAPPED });
        for (const { members } of made!.teams) {
          const [a, b] = members.map((id) => moves[Number(id.slice(1))]!);
          layout.modules.forEach(({ offsetA, offsetB, outDim, rank }) => {
            const first = Math.sign(a![offsetA]! * input.step[offsetA]!);
            for (let p = offsetA; p < offsetB + outDim * rank; p++) {
              expect(a![p]! + b![p]!).toBeCloseTo(0, 5);
              expect(Math.abs(a![p]!)).toBeCloseTo(0.5 * Math.abs(input.step[p]!), 5);
              if (Math.abs(input.step[p]!) > 1e-3 && Math.abs(input.step[offsetA]!) > 1e-3) {
                expect(Math.sign(a![p]! * input.step[p]!)).toBe(first);
              }
            }
          });
        }
      }),
    );
  });

  it('with beta leaves a mean of alpha beta / 2 along g', () => {
    fc.assert(
      fc.property(cases(2, false), (input) => {
        const { moves } = plan(input, { mutation: 'fedmut', beta_0: 0.4, mutation_decay: 100, ...UNCAPPED });
        const beta = 0.4 * (1 - 1 / 100);
        for (let p = 0; p < layout.size; p++) expect(sumOf(moves, p) / 2).toBeCloseTo((beta / 2) * input.step[p]!, 5);
      }),
    );
  });

  it('leaves the odd one out unmutated', () => {
    fc.assert(
      fc.property(cases(5, false), (input) => {
        const { moves } = plan(input, { mutation: 'fedmut' });
        expect(moves.filter((move) => move.every((value) => value === 0))).toHaveLength(1);
      }),
    );
  });

  it('lets beta fall to 0 over its decay', () => {
    const options = parseConfig({ mutation: 'fedmut', beta_0: 1, mutation_decay: 4 });
    expect([0, 1, 2, 3, 4, 5].map((t) => betaAt(options, t, 10))).toEqual([1, 0.75, 0.5, 0.25, 0, 0]);
    expect(betaAt(parseConfig({ mutation: 'fedmut', beta_0: 1 }), 5, 10)).toBe(0.5);
  });
});

describe('FedMut as its authors released it', () => {
  const released = { mutation: 'fedmut-released' };

  it.each([4, 5])('of %i clients: half +1 and half -1 + beta in every tensor, the odd one out unmutated', (count) => {
    fc.assert(
      fc.property(cases(count, false), (input) => {
        const { moves } = plan(input, { ...released, alpha: 0.5 });
        const ranges = layout.modules.flatMap(({ offsetA, offsetB, outDim, rank }) => [
          [offsetA, offsetB],
          [offsetB, offsetB + outDim * rank],
        ]);
        for (const [start, end] of ranges as [number, number][]) {
          // Round 2 is the authors' iteration 0: beta is 0.3.
          const factors = moves.map((move) => move[start]! / (0.5 * input.step[start]!));
          const rounded = factors.map((factor) => Number(factor.toFixed(1))).sort((a, b) => a - b);
          expect(rounded).toEqual([-0.7, -0.7, ...(count === 5 ? [0] : []), 1, 1]);
          for (let p = start; p < end; p++) {
            for (const [i, move] of moves.entries()) expect(move[p]).toBeCloseTo(factors[i]! * 0.5 * input.step[p]!, 3);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('shuffles the signs over all clients, tensor by tensor: no pair is bound, and A and B of a module part', () => {
    const input: Case = {
      masks: [null, null, null, null],
      theta: new Float32Array(layout.size),
      step: new Float32Array(layout.size).fill(1),
      seed: 5,
    };
    const { moves } = plan(input, { ...released, beta_0: 0 });
    const signsOf = (move: Float64Array) =>
      layout.modules.flatMap(({ offsetA, offsetB }) => [move[offsetA], move[offsetB]]);
    const signs = moves.map(signsOf);
    for (const [i, a] of signs.entries()) {
      for (const b of signs.slice(i + 1)) expect(a).not.toEqual(b.map((sign) => -sign!));
    }
    expect(layout.modules.some((_, m) => signs[0]![2 * m] !== signs[0]![2 * m + 1])).toBe(true);
  });

  it('lets beta fall from 0.3 over 50 rounds', () => {
    const options = parseConfig(released);
    expect([0, 25, 50, 60].map((t) => betaAt(options, t, 10))).toEqual([0.3, 0.15, 0, 0]);
  });

  it('stays inside masks', () => {
    fc.assert(
      fc.property(cases(4, true), (input) => {
        plan(input, released).moves.forEach((move, i) => {
          for (let p = 0; p < layout.size; p++) if (input.masks[i]![p] === 0) expect(move[p]).toBe(0);
        });
      }),
      { numRuns: 30 },
    );
  });
});

describe('mutation_bound', () => {
  const ranges = layout.modules.flatMap(({ offsetA, offsetB, outDim, rank }) => [
    [offsetA, offsetB] as const,
    [offsetB, offsetB + outDim * rank] as const,
  ]);
  const normOf = (values: ArrayLike<number>, [start, end]: readonly [number, number]) =>
    Math.hypot(...Array.from({ length: end - start }, (_, i) => values[start + i]!));

  it('moves no factor of a module by more than its share of that factor, and pairs still cancel', () => {
    fc.assert(
      fc.property(cases(4, false), fc.constantFrom(0.5, 4), (input, alpha) => {
        const { made, moves } = plan(input, { mutation: 'fedmut', mutation_bound: 0.3, alpha, ...UNCAPPED });
        if (made === null) return;
        for (const range of ranges) {
          const [step, norm] = [normOf(input.step, range), normOf(input.theta, range)];
          for (const move of moves) expect(normOf(move, range)).toBeCloseTo(Math.min(alpha * step, 0.3 * norm), 4);
        }
        for (let p = 0; p < layout.size; p++) expect(sumOf(moves, p)).toBeCloseTo(0, 4);
      }),
    );
  });

  it('leaves a step alone that is short enough, to the bit', () => {
    fc.assert(
      fc.property(cases(4, false), (input) => {
        const theta = input.theta.map((value) => 1e3 + value);
        const free = plan({ ...input, theta }, UNCAPPED);
        const bounded = plan({ ...input, theta }, { mutation_bound: 0.3, ...UNCAPPED });
        expect(bounded.moves).toEqual(free.moves);
        expect(bounded.made!.metrics.bounded).toBe(0);
      }),
    );
  });
});

describe('FedQP', () => {
  it('by default stays within 45 degrees of the global step, where the half-space hardly binds', () => {
    fc.assert(
      fc.property(cases(4, false), (input) => {
        const { moves } = plan(input, { cone_degrees: parseConfig({}).cone_degrees, ...UNCAPPED });
        for (const move of moves) {
          const norm = Math.sqrt(dot(move, move));
          if (norm < 1e-2) continue;
          const cosine = dot(move, input.step) / (norm * Math.sqrt(dot(input.step, input.step)));
          expect(cosine).toBeGreaterThan(Math.cos(Math.PI / 4) - 1e-3);
        }
      }),
    );
  });

  it('never points a client against the global step, masks or not', () => {
    fc.assert(
      fc.property(
        fc.boolean().chain((masked) => cases(4, masked)),
        (input) => {
          const { moves } = plan(input, UNCAPPED);
          const gg = dot(input.step, input.step);
          for (const [i, move] of moves.entries()) {
            expect(dot(move, input.step, input.masks[i])).toBeGreaterThanOrEqual(-1e-4 * (1 + gg));
          }
        },
      ),
    );
  });

  it('has mutants whose mean is theta + alpha c g, c the mean of the lambdas (beta 0, no masks)', () => {
    fc.assert(
      fc.property(cases(4, false), fc.constantFrom(0.5, 1, 2), (input, alpha) => {
        const { made, moves } = plan(input, { alpha, ...UNCAPPED });
        const { c, mutants } = made!.metrics as { c: number; mutants: Record<string, { lambda: number }> };
        const lambdas = Object.values(mutants).map(({ lambda }) => lambda);
        expect(lambdas).toHaveLength(4);
        expect(c).toBeCloseTo(lambdas.reduce((a, b) => a + b, 0) / 4, 6);
        for (let p = 0; p < layout.size; p++) expect(sumOf(moves, p) / 4).toBeCloseTo(alpha * c * input.step[p]!, 4);
      }),
    );
  });

  it('caps alpha so that alpha c is at most momentum_cap', () => {
    fc.assert(
      fc.property(cases(4, false), (input) => {
        const { made } = plan(input, { alpha: 4, momentum_cap: 0.1 });
        const { c, alpha } = made!.metrics as { c: number; alpha: number };
        expect(alpha * c).toBeLessThanOrEqual(0.1 + 1e-9);
        expect(alpha).toBeCloseTo(c > 0 ? Math.min(4, 0.1 / c) : 4, 6);
      }),
    );
  });

  it('centered: the mutants’ mean is theta', () => {
    fc.assert(
      fc.property(cases(4, false), (input) => {
        const { moves } = plan(input, { centered: true, ...UNCAPPED });
        for (let p = 0; p < layout.size; p++) expect(sumOf(moves, p)).toBeCloseTo(0, 4);
      }),
    );
  });

  it('logs the length and the angle of each mutant as they are, centred or not', () => {
    fc.assert(
      fc.property(cases(4, true), fc.boolean(), (input, centered) => {
        const { made, moves } = plan(input, { centered, ...UNCAPPED });
        const { mutants } = made!.metrics as { mutants: Record<string, { norm: number; angle: number }> };
        moves.forEach((move, i) => {
          const norm = Math.sqrt(dot(move, move));
          expect(mutants[`c${i}`]!.norm).toBeCloseTo(norm, 4);
          const g = Math.sqrt(dot(input.step, input.step, input.masks[i]));
          if (norm < 1e-3 || g < 1e-3) return;
          const cosine = dot(move, input.step, input.masks[i]) / (norm * g);
          expect(Math.cos((mutants[`c${i}`]!.angle * Math.PI) / 180)).toBeCloseTo(cosine, 3);
        });
      }),
    );
  });

  it('holds the constraint of every client’s own direction where asked to', () => {
    fc.assert(
      fc.property(cases(4, false), vector(layout.size), vector(layout.size), (input, a, b) => {
        fc.pre(Math.abs(dot(a, b)) < 0.9 * Math.sqrt(dot(a, a) * dot(b, b)));
        const { moves } = plan(input, { qp_constraints: 'clients', ...UNCAPPED }, { directions: [a, b] });
        for (const move of moves) {
          expect(dot(move, a)).toBeGreaterThanOrEqual(-1e-3);
          expect(dot(move, b)).toBeGreaterThanOrEqual(-1e-3);
        }
      }),
    );
  });
});

describe('under unlike masks', () => {
  it('never leaves a client’s mask', () => {
    fc.assert(
      fc.property(cases(5, true), fc.boolean(), fc.constantFrom('fedmut', 'fedqp'), (input, centered, mutation) => {
        const { moves } = plan(input, { mutation, centered });
        moves.forEach((move, i) => {
          move.forEach((value, p) => {
            if (input.masks[i]![p] === 0) expect(value).toBe(0);
          });
        });
      }),
    );
  });

  it('raw mutations of a pair sum to zero exactly, and lie where both have entries', () => {
    fc.assert(
      fc.property(cases(6, true), (input) => {
        const { made, moves } = plan({ ...input, theta: new Float32Array(layout.size) }, { mutation: 'fedmut' });
        for (const { members, mask } of made?.teams ?? []) {
          const [i, j] = members.map((id) => Number(id.slice(1)));
          expect(mask).toEqual(intersectMasks(input.masks[i!]!, input.masks[j!]!));
          for (let p = 0; p < layout.size; p++) {
            expect(moves[i!]![p]! + moves[j!]![p]!).toBe(0);
            if (mask![p] === 0) expect(moves[i!]![p]).toBe(0);
          }
        }
      }),
    );
  });

  it('pairs the clients whose masks overlap most', () => {
    const half = (from: number) => Uint8Array.from({ length: layout.size }, (_, p) => Number(p % 2 === from));
    const input: Case = {
      masks: [half(0), half(1), half(0), half(1)],
      theta: new Float32Array(layout.size),
      step: new Float32Array(layout.size).fill(1),
      seed: 3,
    };
    const teams = plan(input, {}).made!.teams.map(({ members }) => [...members].sort().join());
    expect(teams.sort()).toEqual(['c0,c2', 'c1,c3']);
  });
});

describe('factors', () => {
  it('alternate: B on even rounds, A on odd ones; a method that averages one factor mutates that', () => {
    const alternate = { mutation: 'fedqp', mutate: 'alternate' } as const;
    expect([2, 3, 4].map((round) => mutatedFactors(alternate, 'both', round))).toEqual(['B', 'A', 'B']);
    expect(mutatedFactors({ ...alternate, mutate: 'both' }, 'both', 2)).toBe('both');
    expect(mutatedFactors(alternate, 'B', 3)).toBe('B');
    expect(mutatedFactors({ ...alternate, mutation: 'fedmut-released' }, 'both', 2)).toBe('both');
  });

  /** Mean of the mutants' products minus the product of theta, over its largest product. */
  function productBias(input: Case, moves: readonly Float64Array[], l: AdapterLayout): number {
    const mutants = moves.map((move) =>
      denseProducts(
        l,
        Float64Array.from(move, (x, p) => x + input.theta[p]!),
      ),
    );
    const own = denseProducts(l, input.theta);
    return Math.max(
      ...own.map((product, m) => {
        const mean = product.map((_, e) => mutants.reduce((sum, mutant) => sum + mutant[m]![e]!, 0) / mutants.length);
        return frobenius(mean.map((x, e) => x - product[e]!));
      }),
    );
  }

  it('one factor a round: the mutations cancel in B A, not only in A and B', () => {
    fc.assert(
      fc.property(cases(4, false), fc.constantFrom('A' as const, 'B' as const), (input, factors) => {
        const { moves } = plan(input, { mutation: 'fedmut' }, { factors });
        expect(productBias(input, moves, layout)).toBeLessThan(1e-4);
      }),
    );
  });

  it('both at once, four clients over the four combinations of signs: cancel in B A too', () => {
    fc.assert(
      fc.property(cases(4, false), (input) => {
        const { made, moves } = plan(input, { mutation: 'fedmut', mutate: 'both' });
        expect(made!.teams).toHaveLength(1);
        expect(productBias(input, moves, layout)).toBeLessThan(1e-4);
      }),
    );
  });

  it('both at once in pairs would not: why fours', () => {
    const input: Case = {
      masks: [null, null],
      theta: new Float32Array(layout.size),
      step: new Float32Array(layout.size).fill(1),
      seed: 1,
    };
    const { moves } = plan(input, { mutation: 'fedmut' });
    expect(productBias(input, moves, layout)).toBeGreaterThan(0.1);
  });
});

describe('sign groups', () => {
  it.each([
    ['module', 6],
    ['layer', 3],
    ['stage', 3],
  ] as const)('%s: modules of one group share a sign', (groups, count) => {
    const input: Case = {
      masks: [null, null],
      theta: new Float32Array(layout.size),
      step: new Float32Array(layout.size).fill(1),
      seed: 0,
    };
    const seen = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const { moves } = plan({ ...input, seed }, { mutation: 'fedmut', mutation_groups: groups });
      const signs = layout.modules.map(({ offsetA }) => Math.sign(moves[0]![offsetA]!));
      if (groups !== 'module') expect(signs).toEqual(layout.modules.map(({ layer }) => signs[2 * layer]));
      seen.add(signs.join());
    }
    expect(seen.size).toBeGreaterThan(2 ** (count - 1) / 2);
  });
});

it('makes no mutation where the global step is negligible, or nobody can be paired', () => {
  const input: Case = {
    masks: [null, null],
    theta: new Float32Array(layout.size).fill(1),
    step: new Float32Array(layout.size),
    seed: 0,
  };
  expect(plan(input, {}).made).toBeNull();
  expect(plan({ ...input, masks: [null], step: input.theta }, {}).made).toBeNull();
  expect(plan({ ...input, step: input.theta }, {}).made).not.toBeNull();
});
