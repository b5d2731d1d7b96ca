import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Adapter } from '../../../src/adapter/layout.js';
import type { ClientResult } from '../../../src/client/job.js';
import { parseConfig } from '../../../src/config/parse.js';
import { randomStream } from '../../../src/random.js';
import { makeContext } from '../../../src/server/context.js';
import { createStrategy } from '../../../src/server/strategies/index.js';
import type { ClientInfo, ClientPlan, Strategy } from '../../../src/server/strategy.js';
import { denseProducts, frobenius } from './arbitraries.js';
import { toyLayout } from './quadratic.js';

/** Two modules of 3 inputs and 2 outputs: no product has a rank above 2. */
const layout = toyLayout();
const NUM_TRAIN = [6, 1, 3];
const SHARES = NUM_TRAIN.map((n) => n / 10);
/** Of what clients "train" to: numbers in [-1, 1) for every entry that may train, in each of three rounds. */
const noise = fc.nat().map((seed) =>
  [1, 2, 3].map((round) => {
    const random = randomStream(seed, 'noise', round);
    return Float32Array.from({ length: 3 * 4 * layout.size }, () => 2 * random() - 1);
  }),
);

function makeFederation(method: string, ranks: readonly number[], settings: Record<string, unknown> = {}) {
  const config = parseConfig({
    method,
    ...settings,
    lora_r: 2,
    num_rounds: 3,
    rank_per_client: ranks.every((r) => r === 2) ? null : [...ranks],
  });
  const clients = ranks.map((rank, i): ClientInfo => ({ id: `c${i}`, rank, numTrain: NUM_TRAIN[i]!, numTargets: 1 }));
  const initial = Float32Array.from({ length: layout.size }, (_, p) => Math.sin(p + 1));
  // As a fresh adapter: B = 0.
  for (const { offsetB, outDim, rank } of layout.modules) initial.fill(0, offsetB, offsetB + outDim * rank);
  const strategy = createStrategy({ layout, initial, clients, seed: 5, config });
  const context = (round: number) => makeContext({ config, round, clients, nextClients: clients, allClients: clients });
  return { strategy, clients, context };
}

/** A client's adapter with noise wherever its plan lets it train. */
function trained({ client, tracks }: ClientPlan, round: number, random: Float32Array, place: number): ClientResult {
  const { name, adapter, phases } = tracks[0]!;
  const trainable = phases[0]!.kind === 'train' ? phases[0]!.trainable : null;
  const values = adapter.values.map((value, p) =>
    trainable === null || trainable[p] === 1 ? random[(7 * place + p) % random.length]! : value,
  );
  const tokens = { train: 0, search: 0, targets: 0 };
  return {
    client,
    round,
    seconds: 0,
    tracks: [{ name, adapter: { ...adapter, values }, losses: [1], meanGradient: null, tokens }],
  };
}

interface Round {
  readonly results: readonly ClientResult[];
  readonly after: Adapter;
  readonly metrics: Readonly<Record<string, unknown>>;
}

/** Three rounds of a method with clients that return noise. */
function runRounds(
  strategy: Strategy,
  context: (round: number) => ReturnType<typeof makeContext>,
  random: readonly Float32Array[],
): Round[] {
  return random.map((numbers, r) => {
    const plans = strategy.configure(context(r + 1));
    const results = plans.map((plan, place) => trained(plan, r + 1, numbers, place));
    const { metrics } = strategy.aggregate(results, context(r + 1));
    const { layout: wide, values, mask } = strategy.global()!;
    return { results, after: { layout: wide, values: values.slice(), mask }, metrics };
  });
}

/** sum of weights times the products of the clients, module by module. */
function meanProduct(results: readonly ClientResult[], weights: readonly number[]): number[][] {
  const products = results.map(({ tracks }) => denseProducts(tracks[0]!.adapter.layout, tracks[0]!.adapter.values));
  return products[0]!.map((product, m) =>
    product.map((_, e) => products.reduce((sum, own, i) => sum + weights[i]! * own[m]![e]!, 0)),
  );
}

const worst = (a: readonly number[][], b: readonly number[][]) =>
  Math.max(...a.map((product, m) => frobenius(product.map((x, e) => x - b[m]![e]!))));

describe('what a merge makes of the product s B A', () => {
  it.each([
    ['flora', [2, 2, 2]],
    ['flora', [1, 2, 3]],
    ['fedex-lora', [2, 2, 2]],
    // Rank 2 holds every product of these shapes, so cutting back to it loses nothing.
    ['flexlora', [2, 2, 2]],
    ['ffa-lora', [2, 2, 2]],
    ['rolora', [2, 2, 2]],
  ])('%s with ranks %o: exactly the weighted mean of the clients’ products, round after round', (method, ranks) => {
    fc.assert(
      fc.property(noise, (random) => {
        const { strategy, context } = makeFederation(method, ranks);
        for (const { results, after, metrics } of runRounds(strategy, context, random)) {
          expect(worst(denseProducts(after.layout, after.values), meanProduct(results, SHARES))).toBeLessThan(1e-4);
          if (method !== 'fedex-lora') expect(metrics.aggregationError as number).toBeLessThan(1e-4);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('fedavg: not; the error that it logs is the distance to that mean', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const { strategy, context } = makeFederation('fedavg', [2, 2, 2]);
        for (const { results, after, metrics } of runRounds(strategy, context, random)) {
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
      const { strategy, context } = makeFederation(method, [2, 2, 2]);
      const random = fc.sample(noise, 1)[0]!;
      const rounds = runRounds(strategy, context, random);
      expect(rounds.map(({ metrics }) => metrics.branchRank)).toEqual([2, 2, 2]);
      // Two modules of 2 x (3 + 2) float32 values.
      expect(rounds.map(({ metrics }) => metrics.branchBytes)).toEqual([80, 80, 80]);
      const down = strategy.configure(context(3)).map(({ bytesDown }) => bytesDown);
      expect(down).toEqual(method === 'flora' ? [80, 80, 80] : [160, 160, 160]);
    }
  });
});

describe('hetlora', () => {
  it('pads with zeros to the largest rank, weighs by ||B_i A_i||, and cuts on the way down', () => {
    fc.assert(
      fc.property(noise, (random) => {
        const ranks = [1, 2, 3];
        const { strategy, clients, context } = makeFederation('hetlora', ranks);
        const [{ results, after }] = runRounds(strategy, context, random.slice(0, 1)) as [Round];
        const norms = results.map(({ tracks }) => {
          const { adapter } = tracks[0]!;
          return Math.hypot(...denseProducts(adapter.layout, adapter.values).map(frobenius));
        });
        const total = norms.reduce((a, b) => a + b, 0);
        fc.pre(total > 0.1);
        after.layout.modules.forEach((wide, m) => {
          for (let c = 0; c < 3; c++) {
            for (let i = 0; i < wide.inDim; i++) {
              const mean = results.reduce((sum, { tracks }, k) => {
                const { layout: own, values } = tracks[0]!.adapter;
                return c < ranks[k]!
                  ? sum + (norms[k]! / total) * values[own.modules[m]!.offsetA + c * wide.inDim + i]!
                  : sum;
              }, 0);
              expect(after.values[wide.offsetA + c * wide.inDim + i]).toBeCloseTo(mean, 4);
            }
          }
        });
        const next = strategy.configure(context(2)).map(({ tracks }) => tracks[0]!.adapter);
        clients.forEach(({ rank }, k) => {
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
        const settings = { mutation: 'fedqp', momentum_cap: null };
        const { strategy, context } = makeFederation('hetlora', [1, 3, 3], settings);
        const before = strategy.global()!.values.slice();
        runRounds(strategy, context, random.slice(0, 1));
        const { layout: wide, values: now } = strategy.global()!;
        const team: number[] = [];
        for (const [k, { tracks }] of strategy.configure(context(2)).entries()) {
          const { layout: own, values } = tracks[0]!.adapter;
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
