import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

type Label = string | number;

function digest(seed: number, labels: readonly Label[]): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([seed, ...labels]))
    .digest();
}

/** An unsigned 32-bit seed for one purpose, from the run's seed and the labels of the purpose (round, client, ...). */
export function deriveSeed(seed: number, ...labels: readonly Label[]): number {
  return digest(seed, labels).readUInt32LE(0);
}

/** A stream of uniform numbers in [0, 1); equal seed and labels give the same stream, others an unrelated one. */
export function randomStream(seed: number, ...labels: readonly Label[]): () => number {
  const bytes = digest(seed, labels);
  const generator = xoroshiro128plusFromState([0, 4, 8, 12].map((at) => bytes.readInt32LE(at) | (at === 0 ? 1 : 0)));
  return () => uniformFloat64(generator);
}

/** A shuffled copy (Fisher-Yates, from the last entry down). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

/** A standard normal variate (Box-Muller, the cosine branch). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A gamma(shape, 1) variate, after Marsaglia and Tsang (2000), with the boost u^(1/shape) for a shape below 1. */
export function gamma(shape: number, random: () => number): number {
  if (shape < 1) return gamma(shape + 1, random) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < (x * x) / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}
