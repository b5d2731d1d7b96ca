import { describe, expect, it } from 'vitest';
import type { Which } from '../../../src/contracts/evaluation.js';
import { type OwnerScores, pairedDifference, pairedDifferences, type TestExample } from '../../../src/report/paired.js';

const example = (nll: TestExample['nll'], targets = 10): TestExample => ({ targets, nll });
const owner = (client: string, ...examples: TestExample[]): OwnerScores => ({ client, examples });

describe('a paired difference', () => {
  it('is that of the mean perplexities of the owners', () => {
    // Perplexities e and 1 against e^2 and e: their means differ by the factor (e + 1) / (e^2 + e) = 1 / e.
    const scores = [owner('a', example({ global: 20, tuned: 10 })), owner('b', example({ global: 10, tuned: 0 }))];
    const found = pairedDifference(scores, 'tuned', 'global')!;
    expect(found).toMatchObject({ owners: 2, examples: 2 });
    // One example an owner: every draw is the same.
    for (const value of [found.difference, found.low, found.high]) expect(value).toBeCloseTo(1 / Math.E - 1, 12);
  });

  it('has an interval on one side of 0 where every example is better, on both where they disagree', () => {
    const examples = Array.from({ length: 40 }, (_, i) => i);
    const better = [owner('a', ...examples.map((i) => example({ base: 20 + i, global: 19 + i })))];
    expect(pairedDifference(better, 'global', 'base')!.high).toBeLessThan(0);
    const mixed = [owner('a', ...examples.map((i) => example({ base: 20, global: i % 2 ? 15 : 25 })))];
    const found = pairedDifference(mixed, 'global', 'base')!;
    expect(found.difference).toBeCloseTo(0, 12);
    // 40 draws of +-0.5 a token: the standard error of the mean NLL is 0.5 / sqrt(40) = 0.079; 1.96 of it, exponentiated.
    expect(found.low).toBeCloseTo(Math.exp(-1.96 * 0.079) - 1, 1);
    expect(found.high).toBeCloseTo(Math.exp(1.96 * 0.079) - 1, 1);
    expect(pairedDifference(mixed, 'global', 'base')).toEqual(found);
  });

  it('is over owners and examples that have both, and finite numbers', () => {
    const scores = [
      owner('a', example({ base: 20, local: 10 }), example({ base: 20 }), example({ base: 20, local: Number.NaN })),
      owner('b', example({ base: 5 })),
    ];
    expect(pairedDifference(scores, 'local', 'base')).toMatchObject({ owners: 1, examples: 1 });
    expect(pairedDifference(scores, 'tuned', 'base')).toBeUndefined();
  });
});

it('compares with what an owner could have had alone: its own training, or the base', () => {
  const kinds = (...all: Which[]) =>
    pairedDifferences([owner('a', example(Object.fromEntries(all.map((which) => [which, 10]))))]).map(
      ({ which, against }) => `${which}/${against}`,
    );
  expect(kinds('base', 'local', 'global', 'tuned')).toEqual(['local/base', 'global/local', 'tuned/local']);
  expect(kinds('base', 'global', 'personalized')).toEqual(['global/base', 'personalized/base']);
  expect(kinds('base', 'personalized', 'unmerged')).toEqual(['personalized/base', 'unmerged/base']);
  expect(kinds('base', 'local')).toEqual(['local/base']);
  expect(kinds('base')).toEqual([]);
});

describe('a table of differences', () => {
  /** 60 examples of ten tokens, `gain` nats better under the shared adapter, with a spread of 1 either way. */
  const gains = (client: string, gain: number) =>
    owner(client, ...Array.from({ length: 60 }, (_, i) => example({ base: 20, global: 20 - gain + (i % 2 ? 1 : -1) })));

  it('counts the owners that are better off', () => {
    const [found] = pairedDifferences([gains('a', 1), gains('b', 0.5), gains('c', -0.2)]);
    expect(found).toMatchObject({ better: 2, owners: 3, verdict: 'lower' });
  });

  it('has the p value of a normal test on the mean', () => {
    // The standard error of the mean gain is 1 / sqrt(60) = 0.129: 0.2 is 1.549 of it, whose two-sided p value is 0.121.
    const [found] = pairedDifferences([gains('a', 0.2)]);
    expect(found!.p).toBeGreaterThan(0.09);
    expect(found!.p).toBeLessThan(0.15);
    expect(found!.verdict).toBe('not told apart');
  });

  it('corrects over its rows', () => {
    const both = gains('a', 0.29).examples.map(({ nll, targets }) => ({
      targets,
      nll: { ...nll, tuned: nll.global! },
    }));
    const alone = pairedDifferences([gains('a', 0.29)]);
    const together = pairedDifferences([{ client: 'a', examples: both }]);
    expect(alone.map(({ verdict }) => verdict)).toEqual(['lower']);
    expect(together.map(({ p, corrected }) => corrected / p)).toEqual([2, 2]);
    expect(together.map(({ verdict }) => verdict)).toEqual(['not told apart', 'not told apart']);
  });
});
