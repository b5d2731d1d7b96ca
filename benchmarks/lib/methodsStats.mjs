import { library } from './paths.mjs';

const { holm } = await library('holm.js');

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Sample standard deviation; 0 for a single value. */
export function spread(values) {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

/** Macro perplexity of per-client example scores `{ nll: [], tokens: [] }`, over the examples that `pick` names. */
function macroPerplexity(clients, pick) {
  return mean(
    clients.map(({ nll, tokens }, client) => {
      let sum = 0;
      let count = 0;
      for (const i of pick[client]) {
        sum += nll[i];
        count += tokens[i];
      }
      return Math.exp(sum / count);
    }),
  );
}

/** Student's t of `freedom` degrees: a normal variate over the root of a chi-square over its degrees. */
function studentT(freedom, random) {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  let sum = 0;
  for (let i = 0; i < freedom; i++) sum += normal() ** 2;
  return normal() / Math.sqrt(sum / freedom);
}

function checkPaired(pairs) {
  const shape = (clients) => JSON.stringify(clients.map(({ tokens }) => tokens));
  const first = shape(pairs[0][0]);
  if (pairs.flat().every((clients) => shape(clients) === first)) return;
  throw new Error('Expected all rows and seeds to be scored on the same examples of the same clients.');
}

/**
 * How much lower or higher the macro perplexity of one row is than that of another: hierarchical bootstrap over seeds and, within
 * them, test examples, which all seeds share. `pairs`: one `[a, b]` a seed, each a list of clients `{ nll, tokens }`.
 *
 * Examples are drawn with replacement within each client, the same for both rows and all seeds, and the log ratios of the seeds
 * averaged. Two or three seeds, drawn with replacement, would give an interval no wider than from the least to the largest of
 * them, which misses the truth one time in four (of three): their part is therefore Student's t with the seeds' standard error.
 *
 * Returns the relative difference (geometric mean over the seeds), that of each seed, the 95 % interval and the two-sided p value.
 * Of one seed, interval and p value are those of the examples alone.
 */
export function hierarchicalBootstrap(pairs, { resamples = 4000, seed = 1 } = {}) {
  checkPaired(pairs);
  const random = uniform(seed);
  const all = pairs[0][0].map(({ nll }) => [...nll.keys()]);
  const logRatios = (pick) => pairs.map(([a, b]) => Math.log(macroPerplexity(a, pick) / macroPerplexity(b, pick)));
  const seen = logRatios(all);
  const error = spread(seen) / Math.sqrt(seen.length);
  const draws = Array.from({ length: resamples }, () => {
    const pick = all.map((ids) => ids.map(() => Math.floor(random() * ids.length)));
    return mean(logRatios(pick)) + (seen.length > 1 ? error * studentT(seen.length - 1, random) : 0);
  }).sort((x, y) => x - y);
  const at = (share) => Math.expm1(draws[Math.min(resamples - 1, Math.floor(share * resamples))]);
  const tail = Math.min(draws.filter((x) => x <= 0).length, draws.filter((x) => x >= 0).length);
  return {
    difference: Math.expm1(mean(seen)),
    by_seed: seen.map((value) => Math.expm1(value)),
    low: at(0.025),
    high: at(0.975),
    p: Math.min(1, (2 * (tail + 1)) / (resamples + 1)),
  };
}

/** Seeds from which on a difference can be called more than chance. */
const LEAST_SEEDS = 3;

/**
 * Corrects the p values of a table's comparisons together, and says of each whether it is separated: three seeds or more that
 * all agree, 0 outside the interval, and 5 % or less after the correction. Undefined for fewer seeds: that was this run.
 */
export function judge(comparisons) {
  const adjusted = holm(comparisons.map(({ p }) => p));
  return comparisons.map((one, i) => {
    const { by_seed: seeds, low, high } = one;
    const agree = seeds.every((value) => value < 0) || seeds.every((value) => value > 0);
    const holds = agree && (low > 0 || high < 0) && adjusted[i] <= 0.05;
    return { ...one, p_holm: adjusted[i], separated: seeds.length >= LEAST_SEEDS ? holds : undefined };
  });
}
