import { describe, expect, it } from 'vitest';
import { factorMask } from '../../../src/adapter/factors.js';
import { countOnes } from '../../../src/adapter/masks.js';
import { quadraticToy, runToy } from './federate.js';
import { maxDistance, type QuadraticClient, toyLayout } from './quadratic.js';

const EXPANSION = 2;
const size = toyLayout().size * EXPANSION;
const clients = [0, 1, 2].map((k): QuadraticClient => {
  return { h: 1 + k, c: Float32Array.from({ length: size }, (_, p) => Math.cos(5 * k + p)), numTrain: 2 + k };
});
const perfit = (settings: Record<string, unknown> = {}) => ({
  ...{ method: 'perfit', expansion: EXPANSION, num_rounds: 6 },
  ...settings,
});

describe('what perfit gives an owner', () => {
  it('is its own adapter, before it has searched the whole one; the union of all is nobody’s', () => {
    const toy = quadraticToy(perfit({ search_round: 2 }), clients);
    toy.round();
    const [first] = toy.clients as [(typeof toy.clients)[0]];
    expect(toy.adapters(first)).toEqual({ personalized: toy.global() });
    toy.round();
    const { personalized, ...others } = toy.adapters(first);
    expect(others).toEqual({});
    expect(countOnes(personalized!.mask!)).toBe(toyLayout().size);
  });

  it('has no error of a product that nobody has: none where masks differ, one while all train the whole', () => {
    const toy = runToy(perfit({ search_round: 3 }), clients);
    const errors = toy.rounds.map(({ metrics }) => metrics.aggregationError !== undefined);
    expect(errors).toEqual([true, true, false, false, false, false]);
  });
});

describe('self share', () => {
  it.each([
    ['constant', [0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]],
    ['rising', [0, 1, 2, 3, 4, 5, 6].map((done) => (0.4 * done) / 6)],
  ])('%s: a client starts from kappa of its own last adapter and the rest of the merged one', (course, shares) => {
    const toy = quadraticToy(perfit({ search_round: 1, self_share: 0.4, self_share_course: course }), clients);
    for (let round = 1; round <= 7; round++) {
      const merged = toy.global().values;
      const own = toy.rounds.at(-1)?.results.get('client-0')?.[0]?.adapter;
      const start =
        round === 7
          ? toy.adapters(toy.clients[0]!).personalized!.values
          : toy.round().tracks.get('client-0')![0]!.adapter.values;
      const share = shares[round - 1]!;
      const expected = merged.map((value, p) =>
        own === undefined ? value : own.mask![p]! * (share * own.values[p]! + (1 - share) * value),
      );
      expect(maxDistance(start, expected)).toBeLessThan(1e-6);
    }
  });

  it('is refused where updates are moved onto a later adapter', () => {
    const late = { async_buffer: 2, devices: [{ name: 'a', tokens_per_second: 1 }] };
    expect(() => quadraticToy(perfit({ self_share: 0.5, ...late }), clients)).toThrow('self_share');
  });
});

describe('pruning B alone', () => {
  it.each(['element', 'rank'])(
    'by %s trains all of A and the budget’s share of B, and merges A over everybody',
    (prune) => {
      const toy = runToy(perfit({ prune_factors: 'B', prune, num_rounds: 200 }), clients);
      const { layout } = toy.global();
      const onlyA = factorMask(layout, 'A')!;
      const { values } = toy.global();
      for (const client of toy.clients) {
        const { mask } = toy.adapters(client).personalized!;
        for (const { offsetA, offsetB, outDim, rank } of layout.modules) {
          expect(countOnes(mask!.subarray(offsetA, offsetB))).toBe(offsetB - offsetA);
          expect(countOnes(mask!.subarray(offsetB, offsetB + outDim * rank))).toBe((outDim * rank) / EXPANSION);
        }
      }
      const all = runToy({ ...perfit({ num_rounds: 200 }), expansion: 1, method: 'fedavg', lora_r: 4 }, clients, {
        layout: toyLayout(2, 4),
      }).global();
      expect(
        maxDistance(
          values.filter((_, p) => onlyA[p] === 1),
          all.values.filter((_, p) => onlyA[p] === 1),
        ),
      ).toBeLessThan(2e-6);
    },
  );
});
