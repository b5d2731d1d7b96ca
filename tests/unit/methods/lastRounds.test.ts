import { describe, expect, it } from 'vitest';
import { runToy, type Toy } from './federate.js';
import { maxDistance, type QuadraticClient, toyLayout } from './quadratic.js';

const { size } = toyLayout();
const clients = [0, 1, 2].map((k): QuadraticClient => {
  return { h: 1 + k, c: Float32Array.from({ length: size }, (_, p) => Math.cos(5 * k + p)) };
});
/** The merged adapter after each round, as the next round starts from it. */
const courseOf = ({ rounds }: Toy): Float32Array[] =>
  rounds.map(({ state }) => (state as { theta: Float32Array }).theta);

describe('the mean of the last rounds', () => {
  it.each([
    [1, 5],
    [2, 5],
    [4, 5],
    [4, 2],
    [9, 5],
  ])('over %i of them after %i is scored and taken home, and trained from by nobody', (last, rounds) => {
    const settings = { method: 'fedavg', num_rounds: rounds };
    const toy = runToy({ ...settings, average_last_rounds: last }, clients);
    const course = courseOf(toy);
    expect(course).toEqual(courseOf(runToy(settings, clients)));
    const newest = course.slice(-last);
    const expected = course[0]!.map((_, p) => newest.reduce((sum, theta) => sum + theta[p]!, 0) / newest.length);
    expect(maxDistance(toy.global().values, expected)).toBeLessThan(1e-6);
    for (const client of toy.clients) expect(toy.adapters(client).global).toEqual(toy.global());
  });

  it('of perfit is inside the mask of each client', () => {
    const toy = runToy({ method: 'perfit', expansion: 1, num_rounds: 4, average_last_rounds: 3 }, clients);
    const [a, b, c] = courseOf(toy).slice(-3);
    const expected = a!.map((value, p) => (value + b![p]! + c![p]!) / 3);
    for (const client of toy.clients) {
      expect(maxDistance(toy.adapters(client).personalized!.values, expected)).toBeLessThan(1e-6);
    }
  });

  it('is refused where entries of two rounds do not belong together, or nothing is merged', () => {
    for (const method of ['flora', 'flexlora', 'fedex-lora', 'rolora', 'local', 'centralized']) {
      expect(() => runToy({ method, average_last_rounds: 2 }, clients)).toThrow('average_last_rounds');
    }
  });
});
