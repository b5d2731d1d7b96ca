import { describe, expect, it } from 'vitest';
import type { Part } from '../../../src/adapter/part.js';
import { runToy } from './federate.js';
import { maxDistance, type QuadraticClient, toyLayout } from './quadratic.js';

// The rules of the server written again in float64, on the clients of fixedPoints.test.ts, over the first rounds.
const RATE = 0.1;
const STEPS = 3;
const ROUNDS = 4;
const layout = toyLayout();
const center = (phase: number) => Float32Array.from({ length: layout.size }, (_, p) => Math.cos(phase + p));
const CLIENTS: readonly QuadraticClient[] = [
  { h: 1, c: center(0), numTrain: 6 },
  { h: 3, c: center(2), numTrain: 2 },
];
const SHARES = [6 / 8, 2 / 8];
const initial = Float32Array.from({ length: layout.size }, (_, p) => Math.sin(p + 1));

/** Delta = sum p_i theta_i - theta of one entry. */
function delta(theta: number, p: number): number {
  return CLIENTS.reduce(
    (sum, { h, c }, i) => sum + SHARES[i]! * (c[p]! + (1 - RATE * h) ** STEPS * (theta - c[p]!)),
    -theta,
  );
}

interface Entry {
  theta: number;
  m: number;
  v: number;
}

type Rule = (entry: Entry, d: number) => void;

/** The second moment of the adaptive servers starts at tau^2 (arXiv 2003.00295, algorithm 2, line 1). */
const RULES: readonly [method: string, settings: Record<string, unknown>, rule: Rule, v?: number][] = [
  [
    'fedavg',
    {},
    (e, d) => {
      e.theta += d;
    },
  ],
  [
    'fedavgm',
    {},
    (e, d) => {
      e.v = 0.9 * e.v + d;
      e.theta += e.v;
    },
  ],
  [
    'fedavgm',
    { server_momentum: 0.5, server_lr: 0.3 },
    (e, d) => {
      e.v = 0.5 * e.v + d;
      e.theta += 0.3 * e.v;
    },
  ],
  [
    'fedadagrad',
    {},
    (e, d) => {
      e.v += d * d;
      e.theta += (1e-2 * d) / (Math.sqrt(e.v) + 1e-3);
    },
    1e-6,
  ],
  [
    'fedadam',
    {},
    (e, d) => {
      e.m = 0.9 * e.m + 0.1 * d;
      e.v = 0.99 * e.v + 0.01 * d * d;
      e.theta += (1e-2 * e.m) / (Math.sqrt(e.v) + 1e-3);
    },
    1e-6,
  ],
  [
    'fedyogi',
    { server_lr: 0.05, server_tau: 0.02 },
    (e, d) => {
      e.m = 0.9 * e.m + 0.1 * d;
      e.v -= 0.01 * d * d * Math.sign(e.v - d * d);
      e.theta += (0.05 * e.m) / (Math.sqrt(e.v) + 0.02);
    },
    0.02 ** 2,
  ],
];

describe('the server’s step, written again in float64', () => {
  it.each(RULES)('%s %o', (method, settings, rule, v = 0) => {
    const toy = runToy({ method, num_rounds: ROUNDS, ...settings }, CLIENTS, { initial });
    const expected = Array.from(initial, (theta, p) => {
      const entry = { theta, m: 0, v };
      for (let round = 0; round < ROUNDS; round++) rule(entry, delta(entry.theta, p));
      return entry.theta;
    });
    expect(maxDistance(toy.global().values, expected)).toBeLessThan(1e-5);
  });
});

describe('scaffold, written again in float64', () => {
  it('corrects by c - c_i, sets c_i to the mean of the raw gradients, and keeps c at their mean as the merge weighs it', () => {
    const toy = runToy({ method: 'scaffold', num_rounds: ROUNDS }, CLIENTS, { initial });
    // What the server would send next has both.
    const { adapter, control: sent } = toy.server.send(toy.context(ROUNDS + 1)).get('client-0')!.parts as Record<
      string,
      Part
    >;
    const kept = toy.clients.map(({ id }) => (toy.kept.get(id) as { control: Float32Array }).control);
    for (let p = 0; p < layout.size; p++) {
      let theta = initial[p]!;
      let control = 0;
      let own = [0, 0];
      for (let round = 0; round < ROUNDS; round++) {
        const ends = CLIENTS.map(({ h, c }, i) => {
          let value = theta;
          let raw = 0;
          for (let step = 0; step < STEPS; step++) {
            const gradient = h * (value - c[p]!);
            raw += gradient / STEPS;
            value -= RATE * (gradient + control - own[i]!);
          }
          return { value, raw };
        });
        theta = ends.reduce((sum, { value }, i) => sum + SHARES[i]! * value, 0);
        control += ends.reduce((sum, { raw }, i) => sum + SHARES[i]! * (raw - own[i]!), 0);
        own = ends.map(({ raw }) => raw);
      }
      expect(adapter!.values[p]!).toBeCloseTo(theta, 5);
      expect(sent!.values[p]!).toBeCloseTo(control, 5);
      for (const [i, c] of own.entries()) expect(kept[i]![p]!).toBeCloseTo(c, 5);
    }
  });
});
