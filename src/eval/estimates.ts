import { asTheyStand, bootstrap, type Interval, type Pick } from '../bootstrap.js';

/** What one example gave: nats over target tokens, or right answers over questions. */
export interface Sample {
  readonly value: number;
  readonly per: number;
}

/** An estimate with the bounds of its bootstrap over examples. */
export interface Estimate extends Interval {
  readonly value: number;
}

/** What is said of a ratio of sums: itself, or its exponential (perplexity). */
type Of = (ratio: number) => number;

function ratioOf(samples: readonly Sample[], pick: Pick): number {
  let value = 0;
  let per = 0;
  for (let place = 0; place < samples.length; place++) {
    const sample = samples[pick(place, samples.length)]!;
    value += sample.value;
    per += sample.per;
  }
  return value / per;
}

/** A statistic of examples and its bounds. */
export const estimate = (examples: number, statistic: (pick: Pick) => number): Estimate => ({
  value: statistic(asTheyStand),
  ...bootstrap(examples, statistic),
});

/** The ratio of the sums over all examples. */
export const overAll = (samples: readonly Sample[], of: Of): Estimate =>
  estimate(samples.length, (pick) => of(ratioOf(samples, pick)));

/** The mean over groups (owners), each of which counts once; examples are drawn within each. */
export function overGroups(groups: readonly (readonly Sample[])[], of: Of): Estimate {
  const examples = groups.reduce((sum, { length }) => sum + length, 0);
  return estimate(examples, (pick) => {
    let sum = 0;
    for (const samples of groups) sum += of(ratioOf(samples, pick));
    return sum / groups.length;
  });
}

/** How much one adapter gives more or less than another on the same examples, drawn for both alike. */
export function paired(
  a: readonly Sample[],
  b: readonly Sample[],
  compare: (ratioA: number, ratioB: number) => number,
): Estimate {
  const places = new Int32Array(a.length);
  return estimate(a.length, (pick) => {
    for (let place = 0; place < places.length; place++) places[place] = pick(place, places.length);
    const same: Pick = (place) => places[place]!;
    return compare(ratioOf(a, same), ratioOf(b, same));
  });
}
