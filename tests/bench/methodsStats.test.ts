import { describe, expect, it } from 'vitest';

/** Benchmarks are plain JavaScript without types. */
const { hierarchicalBootstrap, judge, uniform } = await import(
  new URL('../../benchmarks/lib/methodsStats.mjs', import.meta.url).href
);

type Client = { nll: number[]; tokens: number[] };
type Pair = [Client[], Client[]];

/** A client of one-token examples with these NLLs. */
const client = (...nll: number[]): Client => ({ nll, tokens: nll.map(() => 1) });
const normalOf = (random: () => number) => () =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

describe('the hierarchical bootstrap', () => {
  it('is the t interval over seeds where examples add nothing', () => {
    // One example: every draw is the same, and the log ratios are -0.05, -0.02 and -0.08.
    const pairs: Pair[] = [0.95, 0.98, 0.92].map((nll) => [[client(nll)], [client(1)]]);
    const found = hierarchicalBootstrap(pairs, { resamples: 40_000 });
    const error = 0.03 / Math.sqrt(3);
    // Quantile of Student's t with two degrees of freedom from its distribution 1/2 + t / (2 sqrt(2 + t^2)).
    const t = Math.sqrt(2 / (1 / 0.95 ** 2 - 1));
    expect(t).toBeCloseTo(4.3027, 4);
    expect(found.difference).toBeCloseTo(Math.expm1(-0.05), 12);
    expect(Math.log1p(found.low)).toBeCloseTo(-0.05 - t * error, 2);
    expect(Math.log1p(found.high)).toBeCloseTo(-0.05 + t * error, 2);
    const statistic = 0.05 / error;
    expect(found.p).toBeCloseTo(1 - statistic / Math.sqrt(2 + statistic ** 2), 2);
    expect(found.by_seed.map(Math.log1p)).toEqual([-0.05, -0.02, -0.08].map((x) => expect.closeTo(x, 12)));
  });

  it('is the normal interval of the examples where seeds agree', () => {
    const random = uniform(3);
    const normal = normalOf(random);
    const gains = Array.from({ length: 400 }, () => 0.1 + 0.5 * normal());
    const pair: Pair = [[client(...gains.map((gain) => 3 - gain))], [client(...gains.map(() => 3))]];
    const found = hierarchicalBootstrap([pair, pair, pair]);
    const mean = gains.reduce((sum, gain) => sum + gain, 0) / 400;
    const error = Math.sqrt(gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0) / 400 / 400);
    expect(Math.log1p(found.low)).toBeCloseTo(-mean - 1.96 * error, 2);
    expect(Math.log1p(found.high)).toBeCloseTo(-mean + 1.96 * error, 2);
    // Three times the same examples tell no more than once.
    const once = hierarchicalBootstrap([pair]);
    expect(once.low).toBeCloseTo(found.low, 2);
    expect(once.high).toBeCloseTo(found.high, 2);
  });

  it('holds the truth in 95 of 100 cases, where drawing three seeds anew holds it in 75', () => {
    const random = uniform(11);
    const normal = normalOf(random);
    const trials = 600;
    let held = 0;
    let heldByRange = 0;
    for (let trial = 0; trial < trials; trial++) {
      // No true difference; each example's own share is the same at all seeds, each seed has one for all examples.
      const own = Array.from({ length: 20 }, () => 0.02 * normal());
      const shifts = [0, 0, 0].map(() => 0.02 * normal());
      const pairs: Pair[] = shifts.map((shift) => [
        [client(...own.map((x) => 1 + x + shift))],
        [client(...own.map(() => 1))],
      ]);
      const { low, high, by_seed: seeds } = hierarchicalBootstrap(pairs, { resamples: 400, seed: trial + 1 });
      if (low <= 0 && high >= 0) held++;
      if (Math.min(...seeds) <= 0 && Math.max(...seeds) >= 0) heldByRange++;
    }
    expect(held / trials).toBeGreaterThan(0.93);
    expect(heldByRange / trials).toBeLessThan(0.82);
  });

  it('refuses rows that were scored on other examples', () => {
    expect(() => hierarchicalBootstrap([[[client(1, 2)], [client(1)]]])).toThrow(/same examples/);
    const one: Pair = [[client(1, 2)], [client(1, 2)]];
    expect(() => hierarchicalBootstrap([one, [[client(1)], [client(1)]]])).toThrow(/same examples/);
  });

  it('turns round when the rows do', () => {
    const pair = (a: number[], b: number[]): Pair => [[client(...a)], [client(...b)]];
    const [there, back] = [
      hierarchicalBootstrap([pair([1, 2, 3], [2, 2, 2])]),
      hierarchicalBootstrap([pair([2, 2, 2], [1, 2, 3])]),
    ];
    expect((1 + there.difference) * (1 + back.difference)).toBeCloseTo(1, 12);
    expect((1 + there.low) * (1 + back.high)).toBeCloseTo(1, 1);
  });
});

describe('the verdict', () => {
  const one = (by_seed: number[], p: number, low = -0.2, high = -0.1) => ({ by_seed, p, low, high });
  const verdicts = (...all: ReturnType<typeof one>[]) =>
    judge(all).map(({ separated }: { separated?: boolean }) => separated);

  it('needs three seeds that agree, 0 outside, and a p value that stands the correction', () => {
    expect(verdicts(one([-0.1, -0.2, -0.1], 0.01))).toEqual([true]);
    expect(verdicts(one([-0.1], 0.001), one([-0.1, -0.1], 0.001))).toEqual([undefined, undefined]);
    expect(verdicts(one([-0.1, 0.01, -0.2], 0.01))).toEqual([false]);
    expect(verdicts(one([-0.1, -0.2, -0.1], 0.01, -0.2, 0.01))).toEqual([false]);
    expect(verdicts(one([-0.1, -0.2, -0.1], 0.03), one([-0.1, -0.2, -0.1], 0.04))).toEqual([false, false]);
  });
});
