import fc from 'fast-check';
import { EigenvalueDecomposition, inverse, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import type { Adapter, AdapterLayout } from '../../../src/adapter/layout.js';
import { groupByLikeness } from '../../../src/merge/grouping.js';
import { randomStream } from '../../../src/random.js';
import { denseProducts, frobenius } from './arbitraries.js';
import { quadraticToy, runToy } from './federate.js';
import { layout, makeFederation, meanProduct, noise, runRounds, SHARES, worst } from './noise.js';
import { maxDistance, toyLayout } from './quadratic.js';

const ROUNDS = { numRuns: 30 };

/** The orthogonal matrix nearest to a square one, by Newton's iteration in float64. */
function nearestOrthogonal(square: Matrix): Matrix {
  let turn = square;
  for (let i = 0; i < 100; i++) turn = turn.clone().add(inverse(turn).transpose()).mul(0.5);
  return turn;
}

/** A (rank x in) and B (out x rank) of a module in float64. */
function factorsOf({ modules }: AdapterLayout, values: ArrayLike<number>, m: number) {
  const { offsetA, offsetB, inDim, outDim, rank } = modules[m]!;
  const take = (from: number, rows: number, columns: number) =>
    Matrix.from1DArray(
      rows,
      columns,
      Array.from({ length: rows * columns }, (_, i) => values[from + i]!),
    );
  return { a: take(offsetA, rank, inDim), b: take(offsetB, outDim, rank) };
}

const distance = (a: Matrix, b: Matrix) => Matrix.sub(a, b).norm('frobenius');

describe('fedrot-lora', () => {
  it('averages factors that were turned towards the merged ones: written again in float64', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const toy = makeFederation('fedrot-lora', [2, 2, 2], random);
        let before: Float32Array = toy.global().values.slice();
        for (const [r, { results, after }] of runRounds(toy, random).entries()) {
          for (const m of layout.modules.keys()) {
            const reference = factorsOf(layout, before, m);
            const turned = results.map(({ values }) => {
              const { a, b } = factorsOf(layout, values, m);
              const byA = a.mmul(reference.a.transpose());
              const likeness = r % 2 === 1 ? byA : b.transpose().mmul(reference.b);
              // An orthogonal factor is only well defined where no singular value is nearly 0.
              fc.pre(
                r === 0 ||
                  Math.abs(likeness.get(0, 0) * likeness.get(1, 1) - likeness.get(0, 1) * likeness.get(1, 0)) > 0.01,
              );
              const turn = r === 0 ? Matrix.eye(2) : nearestOrthogonal(likeness);
              return { a: turn.transpose().mmul(a), b: b.mmul(turn) };
            });
            const mean = (of: 'a' | 'b') =>
              turned.reduce((sum, each, i) => sum.add(each[of].clone().mul(SHARES[i]!)), turned[0]![of].clone().mul(0));
            const own = factorsOf(layout, after.values, m);
            expect(distance(own.a, mean('a'))).toBeLessThan(1e-3);
            expect(distance(own.b, mean('b'))).toBeLessThan(1e-3);
          }
          before = after.values;
        }
      }),
      ROUNDS,
    );
  });

  it('finds its way back from a turn: clients who differ by nothing else merge to their product exactly', () => {
    const turnedTo = (values: Float32Array, angle: number) => {
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const turn = new Matrix([
        [cos, -sin],
        [sin, cos],
      ]);
      const result = new Float32Array(values.length);
      layout.modules.forEach(({ offsetA, offsetB }, m) => {
        const { a, b } = factorsOf(layout, values, m);
        result.set(turn.transpose().mmul(a).to1DArray(), offsetA);
        result.set(b.mmul(turn).to1DArray(), offsetB);
      });
      return result;
    };
    const merged = (method: string) => {
      const random = randomStream(3, 'turns');
      const toy = makeFederation(method, [2, 2, 2], [Float32Array.from({ length: 200 }, () => 2 * random() - 1)]);
      toy.round();
      const { values } = toy.global();
      const { updates } = (() => {
        const context = toy.context(2);
        toy.server.send(context);
        const sent = [0.3, -1.2, 2].map((angle, i) => ({
          client: `c${i}`,
          round: 2,
          note: null,
          parts: {
            adapter: {
              ranks: 2,
              factors: 'both' as const,
              mask: 'none' as const,
              values: turnedTo(values, angle),
              bits: null,
            },
          },
        }));
        return { updates: sent };
      })();
      const before = denseProducts(layout, values);
      toy.server.aggregate(updates as never, toy.context(2));
      return worst(denseProducts(layout, toy.global().values), before);
    };
    expect(merged('fedrot-lora')).toBeLessThan(1e-5);
    expect(merged('fedavg')).toBeGreaterThan(0.1);
  });
});

describe('lora-fair', () => {
  it('leaves the mean of A, and corrects B to where the gradient of its objective is 0', () => {
    fc.assert(
      fc.property(noise, fc.constantFrom(0.01, 1), (random, ridge) => {
        const toy = makeFederation('lora-fair', [2, 2, 2], random, { fair_lambda: ridge });
        for (const { results, after } of runRounds(toy, random)) {
          layout.modules.forEach((_, m) => {
            const all = results.map(({ values }) => factorsOf(layout, values, m));
            const mean = (of: (factors: { a: Matrix; b: Matrix }) => Matrix) =>
              all.reduce((sum, each, i) => sum.add(of(each).clone().mul(SHARES[i]!)), of(all[0]!).clone().mul(0));
            const { a, b } = factorsOf(layout, after.values, m);
            expect(
              distance(
                a,
                mean((factors) => factors.a),
              ),
            ).toBeLessThan(1e-5);
            const missed = Matrix.sub(
              b.mmul(a),
              mean((factors) => factors.b.mmul(factors.a)),
            );
            const step = Matrix.sub(
              b,
              mean((factors) => factors.b),
            );
            const gradient = missed.mmul(a.transpose()).add(step.mul(ridge));
            expect(gradient.norm('frobenius')).toBeLessThan(1e-4);
          });
        }
      }),
      ROUNDS,
    );
  });

  it('is nearer to the mean product than fedavg is', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const errorOf = (method: string) =>
          runRounds(makeFederation(method, [2, 2, 2], random.slice(0, 1)), random.slice(0, 1))[0]!.metrics
            .aggregationError as number;
        expect(errorOf('lora-fair')).toBeLessThanOrEqual(errorOf('fedavg') + 1e-6);
      }),
      ROUNDS,
    );
  });
});

describe('florist', () => {
  it('keeps of a round’s mean product as few singular values as hold the share asked for', () => {
    fc.assert(
      fc.property(noise, fc.constantFrom(0.5, 0.8, 0.95), (random, share) => {
        const toy = makeFederation('florist', [2, 2, 2], random, { florist_energy: share });
        const [round] = runRounds(toy, random.slice(0, 1));
        const exact = meanProduct(round!.results, SHARES);
        const kept = denseProducts(round!.after.layout, round!.after.values);
        let [lost, all] = [0, 0];
        layout.modules.forEach(({ outDim, inDim, scale }, m) => {
          const product = Matrix.from1DArray(outDim, inDim, exact[m]!);
          const energies = new EigenvalueDecomposition(product.mmul(product.transpose())).realEigenvalues.sort(
            (a, b) => b - a,
          );
          const total = energies.reduce((a, b) => a + b, 0);
          fc.pre(total > 1e-3 && Math.abs(energies[0]! / total - share) > 1e-3);
          const count = energies[0]! >= share * total ? 1 : 2;
          expect(round!.after.layout.modules[m]!.rank).toBe(count);
          const missed = frobenius(kept[m]!.map((x, e) => x - exact[m]![e]!)) ** 2;
          expect(missed).toBeCloseTo(count === 1 ? energies[1]! : 0, 3);
          lost += missed / scale ** 2;
          all += total / scale ** 2;
        });
        expect(round!.metrics.aggregationError as number).toBeCloseTo(Math.sqrt(lost / all), 3);
      }),
      ROUNDS,
    );
  });

  it('sends less down than flora', () => {
    const random = [1, 2, 3].map((seed) => {
      const next = randomStream(seed, 'bytes');
      return Float32Array.from({ length: 200 }, () => 2 * next() - 1);
    });
    const rankOf = (method: string) =>
      Math.max(
        ...runRounds(makeFederation(method, [2, 2, 2], random, { florist_energy: 0.5 }), random).map(
          ({ metrics }) => metrics.branchRank as number,
        ),
      );
    expect(rankOf('florist')).toBeLessThanOrEqual(rankOf('flora'));
  });
});

describe('rank_aware', () => {
  const RANKS = [1, 2, 2];
  /** Weight of client i in component c, out of those who have it. */
  const share = (weights: readonly number[], i: number, c: number) =>
    RANKS[i]! > c ? weights[i]! / weights.reduce((sum, weight, j) => sum + (RANKS[j]! > c ? weight : 0), 0) : 0;

  /** B_c A_c of one component of a client, module by module. */
  const component = ({ layout: own, values }: Adapter, c: number) =>
    own.modules.map(({ rank, inDim, outDim, offsetA, offsetB, scale }) =>
      Array.from({ length: outDim * inDim }, (_, e) =>
        c < rank
          ? scale * values[offsetB + Math.floor(e / inDim) * rank + c]! * values[offsetA + c * inDim + (e % inDim)]!
          : 0,
      ),
    );

  it('flexlora: the product of each component averaged over who has it', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const toy = makeFederation('flexlora', RANKS, random, { rank_aware: true });
        for (const { results, after } of runRounds(toy, random)) {
          const expected = layout.modules.map((_, m) =>
            component(results[0]!, 0)[m]!.map((_e, e) =>
              results.reduce(
                (sum, result, i) =>
                  sum + [0, 1].reduce((part, c) => part + share(SHARES, i, c) * component(result, c)[m]![e]!, 0),
                0,
              ),
            ),
          );
          expect(worst(denseProducts(after.layout, after.values), expected)).toBeLessThan(1e-4);
        }
      }),
      ROUNDS,
    );
  });

  it('hetlora: each component of A and B averaged over who has it', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const toy = makeFederation('hetlora', RANKS, random, { rank_aware: true });
        for (const { results, after, metrics } of runRounds(toy, random)) {
          const norms = metrics.productNorms as number[];
          after.layout.modules.forEach(({ offsetA, offsetB, inDim, outDim, rank }, m) => {
            for (let c = 0; c < 2; c++) {
              const mean = (of: (own: (typeof layout.modules)[0], values: Float32Array) => number) =>
                results.reduce(
                  (sum, { layout: own, values }, i) =>
                    sum + (RANKS[i]! > c ? share(norms, i, c) * of(own.modules[m]!, values) : 0),
                  0,
                );
              for (let k = 0; k < inDim; k++) {
                const expected = mean((own, values) => values[own.offsetA + c * inDim + k]!);
                expect(after.values[offsetA + c * inDim + k]).toBeCloseTo(expected, 4);
              }
              for (let row = 0; row < outDim; row++) {
                const expected = mean((own, values) => values[own.offsetB + row * own.rank + c]!);
                expect(after.values[offsetB + row * rank + c]).toBeCloseTo(expected, 4);
              }
            }
          });
        }
      }),
      ROUNDS,
    );
  });
});

describe('clustered', () => {
  const wide = toyLayout();
  const toward = (sign: number, phase: number) =>
    Float32Array.from({ length: wide.size }, (_, p) => sign * (1 + 0.1 * Math.cos(phase + p)));
  // Two kinds of owners, who want the opposite of each other.
  const owners = [1, -1, 1, -1, -1].map((sign, k) => ({ h: 1, c: toward(sign, k), numTrain: 2 + k }));
  const initial = new Float32Array(wide.size);

  it('puts owners who want alike together, and every group settles where fedavg of its members does', () => {
    const toy = runToy({ method: 'clustered', num_rounds: 200 }, owners, { initial });
    expect(toy.rounds.at(-1)!.metrics.groups).toEqual({
      'client-0': 0,
      'client-1': 1,
      'client-2': 0,
      'client-3': 1,
      'client-4': 1,
    });
    for (const members of [
      [0, 2],
      [1, 3, 4],
    ]) {
      const alone = runToy(
        { method: 'fedavg', num_rounds: 200 },
        members.map((k) => owners[k]!),
        { initial },
      ).global().values;
      for (const k of members) {
        expect(maxDistance(toy.adapters(toy.clients[k]!).personalized!.values, alone)).toBeLessThan(1e-5);
      }
    }
  });

  it('goes by the angle between changes of B alone: not by A, nor by how long they are', () => {
    /** All of A wants `a`, and every other entry of B one of `b`. */
    const wanted = (a: number, b: readonly [number, number]) => {
      const values = new Float32Array(wide.size).fill(a);
      for (const { offsetB, outDim, rank } of wide.modules) {
        for (let k = 0; k < outDim * rank; k++) values[offsetB + k] = b[k % 2]!;
      }
      return values;
    };
    // 0 and 1 want the same A, and the product of their long changes of B is the largest; those of 0 and 2 are parallel.
    const kinds = [wanted(1, [3, 3]), wanted(1, [3, -1]), wanted(-1, [0.1, 0.1])];
    const toy = quadraticToy(
      { method: 'clustered', num_rounds: 1 },
      kinds.map((c) => ({ h: 1, c })),
      { initial },
    );
    toy.round();
    expect(toy.rounds[0]!.metrics.groups).toEqual({ 'client-0': 0, 'client-1': 1, 'client-2': 0 });
  });

  it('with one group is fedavg, to the bit', () => {
    const one = runToy({ method: 'clustered', clusters: 1, num_rounds: 4 }, owners, { initial });
    const plain = runToy({ method: 'fedavg', num_rounds: 4 }, owners, { initial });
    for (const client of one.clients) {
      expect(one.adapters(client).personalized!.values).toEqual(plain.adapters(client).global!.values);
    }
  });

  it('puts a newcomer where its B changes alike', () => {
    const toy = quadraticToy({ method: 'clustered', num_rounds: 4 }, owners, { initial });
    toy.round(toy.clients.slice(0, 3));
    expect(toy.rounds[0]!.metrics.groups).toEqual({ 'client-0': 0, 'client-1': 1, 'client-2': 0 });
    const { metrics } = toy.round(toy.clients.slice(1));
    expect(metrics.groups).toMatchObject({ 'client-3': 1, 'client-4': 1 });
  });

  it('joins the pair of groups of the highest mean likeness, by hand', () => {
    const likeness = [
      [1, 0.9, 0.1, 0.2],
      [0.9, 1, 0.3, 0.7],
      [0.1, 0.3, 1, 0.5],
      [0.2, 0.7, 0.5, 1],
    ];
    const of = (count: number) => groupByLikeness((i, j) => likeness[i]![j]!, 4, count);
    // 0 and 1 first (0.9); then 2 and 3 (0.5) rather than 3 to {0, 1} ((0.2 + 0.7) / 2 = 0.45).
    expect(of(3)).toEqual([[0, 1], [2], [3]]);
    expect(of(2)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(of(9)).toEqual([[0], [1], [2], [3]]);
  });
});
