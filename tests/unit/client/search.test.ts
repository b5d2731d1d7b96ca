import { describe, expect, it } from 'vitest';
import { countOnes } from '../../../src/adapter/masks.js';
import { quadraticToy } from '../methods/federate.js';
import { type QuadraticClient, toyLayout } from '../methods/quadratic.js';

const expansions = [1, 2, 4, 8];
/** Two clients whose losses tell entries apart, in a space of more ranks. */
const clientsFor = (expansion: number): QuadraticClient[] =>
  [1, 2].map((k) => ({
    h: k,
    c: Float32Array.from({ length: toyLayout().size * expansion }, (_, p) => Math.cos(k * p)),
    numTrain: 6,
  }));

/** A run of perfit with what its engine did. */
function search(settings: Record<string, unknown>, rounds = 1) {
  const { expansion = 2 } = settings as { expansion?: number };
  const toy = quadraticToy({ method: 'perfit', search_round: 1, ...settings }, clientsFor(expansion));
  for (let round = 0; round < rounds; round++) toy.round();
  const results = [...toy.rounds.at(-1)!.results.values()].map(([main]) => main!);
  return { results, masks: results.map(({ adapter }) => adapter.mask!), searched: results.map((r) => r.tokens.search) };
}

describe('a search', () => {
  it.each(expansions)('in an adapter of %i times the rank keeps the entries of an ordinary one', (expansion) => {
    for (const prune of ['element', 'rank']) {
      for (const mask of search({ expansion, prune }).masks) expect(countOnes(mask)).toBe(toyLayout().size);
    }
  });

  it('is after half of the rounds where nothing else is said', () => {
    for (const [rounds, first] of [
      [1, 1],
      [2, 2],
      [5, 3],
      [6, 4],
    ] as const) {
      const toy = quadraticToy({ method: 'perfit', num_rounds: rounds }, clientsFor(2));
      for (let round = 1; round <= rounds; round++) {
        const notes = [...toy.round().sent.values()].map(({ note }) => note);
        expect(notes).toEqual([{ search: round === first }, { search: round === first }]);
      }
    }
  });

  it('by chance computes nothing and keeps as many entries, others at each client', () => {
    const { masks, searched } = search({ prune_score: 'random' });
    expect(searched).toEqual([0, 0]);
    expect(masks.map(countOnes)).toEqual([toyLayout().size, toyLayout().size]);
    expect(masks[0]).not.toEqual(masks[1]);
    expect(search({ prune_score: 'random' }).masks).toEqual(masks);
    expect(search({ prune_score: 'random', seed: 1 }).masks).not.toEqual(masks);
    // The warmed values are wanted, so it does warm up.
    expect(search({ prune_score: 'random', rewind: false, warmup_steps: 3 }).searched).toEqual([3, 3]);
  });

  it('by size warms up and scores nothing', () => {
    const { masks, searched } = search({ prune_score: 'magnitude', warmup_steps: 3 });
    expect(searched).toEqual([3, 3]);
    expect(masks.map(countOnes)).toEqual([toyLayout().size, toyLayout().size]);
  });

  it('in round 1 warms up, later it does not, and scores as many samples in as many stages as it is told', () => {
    const early = search({ importance_samples: 4, stages: 3 });
    expect(early.searched).toEqual([3 + 4 * 2 * 3, 3 + 4 * 2 * 3]);
    const settings = { search_round: 2, importance_samples: 4, stages: 3 };
    expect(search(settings).searched).toEqual([0, 0]);
    const { masks, searched } = search(settings, 2);
    // An example has two tokens.
    expect(searched).toEqual([4 * 2 * 3, 4 * 2 * 3]);
    expect(masks.map(countOnes)).toEqual([toyLayout().size, toyLayout().size]);
  });
});
