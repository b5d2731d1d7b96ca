import { describe, expect, it } from 'vitest';
import { factorMask } from '../../../src/adapter/factors.js';
import { runToy } from './federate.js';
import { maxDistance, type QuadraticClient, toyLayout } from './quadratic.js';

// Two clients with losses h / 2 |theta - c|^2, plain gradient descent of T = 3 steps at 0.1: a round takes client i from
// theta to c_i + q_i (theta - c_i) with q_i = (1 - 0.1 h_i)^3, so that every method's fixed point can be written down.
const RATE = 0.1;
const STEPS = 3;
const layout = toyLayout();
const center = (phase: number) => Float32Array.from({ length: layout.size }, (_, p) => Math.cos(phase + p));
const TWO: readonly QuadraticClient[] = [
  { h: 1, c: center(0), numTrain: 6 },
  { h: 3, c: center(2), numTrain: 2 },
];
const SHARES = [6 / 8, 2 / 8];
const EQUAL = [1 / 2, 1 / 2];

const contraction = (h: number, mu = 0) => (1 - RATE * (h + mu)) ** STEPS;

/** sum_i a_i c_i / sum_i a_i. */
function mixture(weights: readonly number[]): number[] {
  const total = weights[0]! + weights[1]!;
  return Array.from(TWO[0]!.c, (c, p) => (weights[0]! * c + weights[1]! * TWO[1]!.c[p]!) / total);
}

/** Where averaging local gradient descent settles: weights p_i (1 - q_i), not those of the mean loss. */
const averaged = mixture(TWO.map(({ h }, i) => SHARES[i]! * (1 - contraction(h))));
const CLOSE = 2e-6;

function globalOf(settings: Record<string, unknown>, rounds = 200): Float32Array {
  return runToy({ num_rounds: rounds, ...settings }, TWO).global().values;
}

describe('fixed points on two quadratic clients', () => {
  it('fedavg: sum p_i (1 - q_i) c_i, which is not the optimum of the mean loss', () => {
    const optimum = mixture(TWO.map(({ h }, i) => SHARES[i]! * h));
    expect(maxDistance(averaged, optimum)).toBeGreaterThan(0.01);
    expect(maxDistance(globalOf({ method: 'fedavg' }), averaged)).toBeLessThan(CLOSE);
  });

  it('fedavg with one local step: the optimum of the weighted mean loss', () => {
    const optimum = mixture(TWO.map(({ h }, i) => SHARES[i]! * h));
    expect(maxDistance(globalOf({ method: 'fedavg', local_steps: 1 }, 300), optimum)).toBeLessThan(CLOSE);
  });

  it('merge_weights: uniform counts every client once', () => {
    const expected = mixture(TWO.map(({ h }, i) => EQUAL[i]! * (1 - contraction(h))));
    expect(maxDistance(globalOf({ method: 'fedavg', merge_weights: 'uniform' }), expected)).toBeLessThan(CLOSE);
  });

  it('fedprox: client i settles at (h c + mu theta) / (h + mu) if left alone', () => {
    const mu = 0.7;
    const weights = TWO.map(({ h }, i) => (SHARES[i]! * (1 - contraction(h, mu)) * h) / (h + mu));
    expect(maxDistance(globalOf({ method: 'fedprox', prox_mu: mu }), mixture(weights))).toBeLessThan(CLOSE);
  });

  it.each([
    ['uniform', EQUAL],
    ['size', SHARES],
  ])(
    'scaffold, %s: the optimum of the loss that the merge weighs, whatever the local steps; fedavg drifts',
    (weights, shares) => {
      const optimum = mixture(TWO.map(({ h }, i) => shares[i]! * h));
      const settings = { method: 'scaffold', merge_weights: weights, learning_rate: 0.05 };
      const drifting = globalOf({ ...settings, method: 'fedavg' }, 600);
      expect(maxDistance(drifting, optimum)).toBeGreaterThan(1e-3);
      expect(maxDistance(globalOf(settings, 600), optimum)).toBeLessThan(1e-5);
      expect(maxDistance(globalOf({ ...settings, local_steps: 1 }, 600), optimum)).toBeLessThan(1e-5);
    },
  );

  it('local: every client at its own optimum', () => {
    const toy = runToy({ method: 'local', num_rounds: 200 }, TWO);
    toy.clients.forEach((client, i) => {
      expect(maxDistance(toy.adapters(client).local!.values, TWO[i]!.c)).toBeLessThan(CLOSE);
    });
  });

  it('centralized: near the optimum of the pooled examples, whose gradients come one at a time', () => {
    const values = globalOf({ method: 'centralized', learning_rate: 1e-3, local_steps: 4 }, 1500);
    expect(maxDistance(values, mixture(TWO.map(({ h }, i) => SHARES[i]! * h)))).toBeLessThan(0.02);
  });

  it('ditto: the personal adapter at (h c + lambda theta) / (h + lambda), theta where fedavg settles', () => {
    const lambda = 0.5;
    const toy = runToy({ method: 'ditto', ditto_lambda: lambda, num_rounds: 200 }, TWO);
    expect(maxDistance(toy.global().values, averaged)).toBeLessThan(CLOSE);
    toy.clients.forEach((client, i) => {
      const { h, c } = TWO[i]!;
      const expected = averaged.map((theta, p) => (h * c[p]! + lambda * theta) / (h + lambda));
      expect(maxDistance(toy.adapters(client).personalized!.values, expected)).toBeLessThan(CLOSE);
    });
  });

  it.each([
    ['fedavgm', { server_momentum: 0.5 }],
    ['fedavgm', { server_momentum: 0.9, server_lr: 0.1 }],
    ['fedadagrad', { server_lr: 0.1, server_tau: 0.1 }],
    ['fedadam', { server_lr: 0.02, server_tau: 0.1 }],
    ['fedyogi', { server_lr: 0.02, server_tau: 0.1 }],
  ])('%s %o: where the mean update is 0, as fedavg', (method, settings) => {
    expect(maxDistance(globalOf({ method, ...settings }, 800), averaged)).toBeLessThan(1e-4);
  });

  it('rolora: both factors where fedavg settles, in turns', () => {
    expect(maxDistance(globalOf({ method: 'rolora' }, 400), averaged)).toBeLessThan(CLOSE);
  });

  it('ffa-lora: A where it began, B where fedavg settles', () => {
    const toy = runToy({ method: 'ffa-lora', num_rounds: 200 }, TWO);
    const onlyB = factorMask(layout, 'B')!;
    const expected = averaged.map((value, p) => (onlyB[p] === 1 ? value : toy.init.initial[p]!));
    expect(maxDistance(toy.global().values, expected)).toBeLessThan(CLOSE);
  });

  it('fedsa-lora: A where fedavg settles, B at its own client', () => {
    const toy = runToy({ method: 'fedsa-lora', num_rounds: 200 }, TWO);
    const onlyB = factorMask(layout, 'B')!;
    toy.clients.forEach((client, i) => {
      const expected = averaged.map((value, p) => (onlyB[p] === 1 ? TWO[i]!.c[p]! : value));
      expect(maxDistance(toy.adapters(client).personalized!.values, expected)).toBeLessThan(CLOSE);
    });
  });

  it('perfit: each entry where those settle who have it; nobody’s entry stays as it began', () => {
    const toy = runToy({ method: 'perfit', search_round: 1, num_rounds: 200, expansion: 3 }, wide(3));
    const masks = toy.clients.map((client) => toy.adapters(client).personalized!.mask!);
    const { layout: expanded, values } = toy.global();
    const begun = runToy({ method: 'perfit', num_rounds: 0, expansion: 3 }, wide(3)).global().values;
    const kinds = new Set<string>();
    for (let p = 0; p < expanded.size; p++) {
      const have = masks.map((mask) => mask[p]!);
      kinds.add(have.join());
      const weights = wide(3).map(({ h }, i) => have[i]! * SHARES[i]! * (1 - contraction(h)));
      const total = weights[0]! + weights[1]!;
      const expected =
        total === 0 ? begun[p]! : wide(3).reduce((sum, { c }, i) => sum + weights[i]! * c[p]!, 0) / total;
      expect(Math.abs(values[p]! - expected)).toBeLessThan(CLOSE);
    }
    expect(kinds.size).toBeGreaterThan(2);
  });

  it.each([0.3, 0.8])('perfit with a self share of %d: between what is shared and the own optimum', (share) => {
    const settings = { method: 'perfit', num_rounds: 200, expansion: 3, self_share: share };
    const toy = runToy(settings, wide(3));
    const own = toy.clients.map((client) => toy.adapters(client).personalized!);
    // theta_i = c_i + q_i (start_i - c_i) from start_i = kappa theta_i + (1 - kappa) theta, and theta = sum p_i theta_i.
    const q = TWO.map(({ h }) => contraction(h));
    const free = q.map((one) => 1 - share * one);
    const { values } = toy.global();
    for (let p = 0; p < values.length; p++) {
      const have = own.map(({ mask }) => mask![p]!);
      const p_ = have.map(
        (bit, i) => (bit * SHARES[i]!) / Math.max(1e-9, have[0]! * SHARES[0]! + have[1]! * SHARES[1]!),
      );
      if (have[0]! + have[1]! === 0) continue;
      const c = wide(3).map((client) => client.c[p]!);
      const top = p_.reduce((sum, weight, i) => sum + (weight * (1 - q[i]!) * c[i]!) / free[i]!, 0);
      const theta = top / (1 - p_.reduce((sum, weight, i) => sum + (weight * q[i]! * (1 - share)) / free[i]!, 0));
      expect(Math.abs(values[p]! - theta)).toBeLessThan(CLOSE);
      have.forEach((bit, i) => {
        const trained = ((1 - q[i]!) * c[i]! + q[i]! * (1 - share) * theta) / free[i]!;
        const start = bit * (share * trained + (1 - share) * theta);
        expect(Math.abs(own[i]!.values[p]! - start)).toBeLessThan(CLOSE);
      });
    }
  });

  it('perfit with a self share of 1: every client at its own optimum', () => {
    const toy = runToy({ method: 'perfit', num_rounds: 200, expansion: 1, self_share: 1 }, TWO);
    toy.clients.forEach((client, i) => {
      expect(maxDistance(toy.adapters(client).personalized!.values, TWO[i]!.c)).toBeLessThan(CLOSE);
    });
  });

  it.each(
    ['fedavg', 'fedprox', 'ffa-lora', 'scaffold', 'ditto'].flatMap((method) =>
      ['fedmut', 'fedqp', 'fedmut-released'].map((mutation) => [method, mutation]),
    ),
  )('%s with %s settles where it does without: the step that mutations are made of dies out', (method, mutation) => {
    const settings = { method, merge_weights: 'uniform' };
    const plain = globalOf(settings, 400);
    expect(maxDistance(globalOf({ ...settings, mutation, alpha: 1 }, 400), plain)).toBeLessThan(1e-5);
  });

  it('a mutated pair weighs alike, so that its mutations cancel: the fixed point is that of uniform weights', () => {
    const uniform = globalOf({ method: 'fedavg', merge_weights: 'uniform' });
    expect(maxDistance(globalOf({ method: 'fedavg', mutation: 'fedmut' }, 400), uniform)).toBeLessThan(1e-5);
  });

  it('mutation: pairs gives the plain method the weights of a mutated round, and nothing else', () => {
    const uniform = globalOf({ method: 'fedavg', merge_weights: 'uniform' });
    expect(maxDistance(globalOf({ method: 'fedavg', mutation: 'pairs' }, 400), uniform)).toBeLessThan(1e-5);
    const { rounds } = runToy({ method: 'fedavg', mutation: 'pairs', num_rounds: 3 }, TWO);
    expect(rounds.map(({ metrics }) => Object.values(metrics.weights as object))).toEqual([SHARES, SHARES, EQUAL]);
  });

  it.each([
    [{ mutation: 'fedqp' }, EQUAL],
    [{ sampling: 'size' }, EQUAL],
    [{ mutation: 'fedqp', alpha: 0 }, SHARES],
    [{}, SHARES],
  ])('merge_weights left out with %o: what is in effect is logged', (settings, shares) => {
    const { rounds } = runToy({ merge_weights: null, num_rounds: 1, ...settings }, TWO);
    expect(Object.values(rounds[0]!.metrics.weights as object)).toEqual(shares);
  });
});

/**
 * The two clients in a space of more ranks. Each wants one value everywhere: components that a mask prunes whole are left
 * out of the computation, so an entry's place says nothing there.
 */
function wide(expansion: number): QuadraticClient[] {
  const size = layout.size * expansion;
  return TWO.map((client, i) => ({ ...client, c: new Float32Array(size).fill([0.8, -0.6][i]!) }));
}
