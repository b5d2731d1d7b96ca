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

function checkPaired(a, b) {
  const same = a.length === b.length && a.every(({ tokens }, i) => tokens.join() === b[i].tokens.join());
  if (!same) throw new Error('Expected both rows to be scored on the same examples of the same clients.');
}

/**
 * Paired bootstrap over test examples: examples are drawn with replacement within each client, the same for both rows, and
 * the macro perplexities compared; runs of several seeds are averaged. `pairs`: one `[a, b]` a seed, each a list of
 * clients `{ nll, tokens }`. Returns the relative difference a / b - 1, its 95 % interval, and whether 0 lies outside.
 */
export function pairedBootstrap(pairs, { resamples = 2000, seed = 1 } = {}) {
  for (const [a, b] of pairs) checkPaired(a, b);
  const random = uniform(seed);
  const all = pairs.map(([a]) => a.map(({ nll }) => [...nll.keys()]));
  const ratio = (picks) =>
    mean(pairs.map(([a, b], s) => macroPerplexity(a, picks[s]) / macroPerplexity(b, picks[s]))) - 1;
  const draws = Array.from({ length: resamples }, () =>
    ratio(all.map((clients) => clients.map((ids) => ids.map(() => Math.floor(random() * ids.length))))),
  ).sort((x, y) => x - y);
  const at = (share) => draws[Math.min(resamples - 1, Math.floor(share * resamples))];
  const [low, high] = [at(0.025), at(0.975)];
  return { difference: ratio(all), low, high, separated: low > 0 || high < 0 };
}
