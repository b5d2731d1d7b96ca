import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { denseProducts, frobenius } from './arbitraries.js';
import { bytesOf } from './federate.js';
import { makeFederation, meanProduct, noise, type Round, runRounds, SHARES, startsOf, worst } from './noise.js';

describe('what a merge makes of the product s B A', () => {
  it.each<[method: string, ranks: number[], settings?: Record<string, unknown>]>([
    ['flora', [2, 2, 2]],
    ['flora', [1, 2, 3]],
    ['fedex-lora', [2, 2, 2]],
    // Rank 2 holds every product of these shapes, so cutting back to it loses nothing.
    ['flexlora', [2, 2, 2]],
    ['florist', [1, 2, 3], { florist_energy: 1 }],
    ['ffa-lora', [2, 2, 2]],
    ['rolora', [2, 2, 2]],
  ])(
    '%s with ranks %o: exactly the weighted mean of the clients’ products, round after round',
    (method, ranks, settings = {}) => {
      fc.assert(
        fc.property(noise, (random) => {
          const toy = makeFederation(method, ranks, random, settings);
          for (const { results, after, metrics } of runRounds(toy, random)) {
            expect(worst(denseProducts(after.layout, after.values), meanProduct(results, SHARES))).toBeLessThan(1e-4);
            if (method !== 'fedex-lora') expect(metrics.aggregationError as number).toBeLessThan(1e-4);
          }
        }),
        { numRuns: 30 },
      );
    },
  );

  it('fedavg: not; the error that it logs is the distance to that mean', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const toy = makeFederation('fedavg', [2, 2, 2], random);
        for (const { results, after, metrics } of runRounds(toy, random)) {
          const exact = meanProduct(results, SHARES);
          const size = Math.hypot(...exact.map(frobenius));
          fc.pre(size > 0.1);
          const missed = Math.hypot(
            ...denseProducts(after.layout, after.values).map((product, m) =>
              frobenius(product.map((x, e) => x - exact[m]![e]!)),
            ),
          );
          expect(metrics.aggregationError as number).toBeCloseTo(missed / size, 4);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('flora and fedex-lora fold what grows past min(d, k) components, 2 here, and say its bytes', () => {
    for (const method of ['flora', 'fedex-lora']) {
      const random = fc.sample(noise, 1)[0]!;
      const toy = makeFederation(method, [2, 2, 2], random);
      const rounds = runRounds(toy, random);
      expect(rounds.map(({ metrics }) => metrics.branchRank)).toEqual([2, 2, 2]);
      // Two modules of 2 x (3 + 2) float32 values.
      expect(rounds.map(({ metrics }) => metrics.branchBytes)).toEqual([80, 80, 80]);
      const down = [...toy.server.send(toy.context(3)).values()].map((sending) => bytesOf([sending]));
      expect(down).toEqual(method === 'flora' ? [80, 80, 80] : [160, 160, 160]);
    }
  });
});

describe('hetlora', () => {
  it('pads with zeros to the largest rank, weighs by ||B_i A_i||, and cuts on the way down', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const ranks = [1, 2, 3];
        const toy = makeFederation('hetlora', ranks, random);
        const [{ results, after }] = runRounds(toy, random.slice(0, 1)) as [Round];
        const norms = results.map(({ layout: own, values }) =>
          Math.hypot(...denseProducts(own, values).map(frobenius)),
        );
        const total = norms.reduce((a, b) => a + b, 0);
        fc.pre(total > 0.1);
        after.layout.modules.forEach((wide, m) => {
          for (let c = 0; c < 3; c++) {
            for (let i = 0; i < wide.inDim; i++) {
              const mean = results.reduce((sum, { layout: own, values }, k) => {
                return c < ranks[k]!
                  ? sum + (norms[k]! / total) * values[own.modules[m]!.offsetA + c * wide.inDim + i]!
                  : sum;
              }, 0);
              expect(after.values[wide.offsetA + c * wide.inDim + i]).toBeCloseTo(mean, 4);
            }
            for (let row = 0; row < wide.outDim; row++) {
              const mean = results.reduce((sum, { layout: own, values }, k) => {
                const { offsetB, rank } = own.modules[m]!;
                return c < ranks[k]! ? sum + (norms[k]! / total) * values[offsetB + row * rank + c]! : sum;
              }, 0);
              expect(after.values[wide.offsetB + row * wide.rank + c]).toBeCloseTo(mean, 4);
            }
          }
        });
        const next = startsOf(toy, 2);
        toy.clients.forEach(({ rank }, k) => {
          next[k]!.layout.modules.forEach((module, m) => {
            const { offsetA } = after.layout.modules[m]!;
            const first = next[k]!.values.subarray(module.offsetA, module.offsetA + rank * module.inDim);
            expect(first).toEqual(after.values.subarray(offsetA, offsetA + rank * module.inDim));
          });
        });
      }),
      { numRuns: 30 },
    );
  });

  it('mutates a client inside its own ranks, and there never against the global step', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const settings = { mutation: 'fedqp', mutation_start: 2, cone_degrees: 90, momentum_cap: null };
        const toy = makeFederation('hetlora', [1, 3, 3], random, settings);
        const before = toy.global().values.slice();
        runRounds(toy, random.slice(0, 1));
        const { layout: wide, values: now } = toy.global();
        const team: number[] = [];
        for (const [k, { layout: own, values }] of startsOf(toy, 2).entries()) {
          let along = 0;
          let moved = 0;
          own.modules.forEach((module, m) => {
            const { offsetB, rank } = wide.modules[m]!;
            // Even rounds mutate B.
            for (let row = 0; row < module.outDim; row++) {
              for (let c = 0; c < module.rank; c++) {
                const p = offsetB + row * rank + c;
                const x = values[module.offsetB + row * module.rank + c]! - now[p]!;
                along += x * (now[p]! - before[p]!);
                moved += Math.abs(x);
              }
            }
          });
          expect(along).toBeGreaterThan(-1e-5);
          if (moved > 0) team.push(k);
        }
        // Clients of equal rank overlap most, so 1 and 2 are the pair; one whose signs are all -1 is projected to nothing.
        expect(team).not.toContain(0);
        expect(team.length).toBeGreaterThan(0);
      }),
      { numRuns: 30 },
    );
  });
});
