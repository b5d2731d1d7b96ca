import fc from 'fast-check';
import type { Adapter } from '../../../src/adapter/layout.js';
import { parseConfig } from '../../../src/config/parse.js';
import type { ClientInfo } from '../../../src/methods/method.js';
import type { Track, TrackResult } from '../../../src/methods/work.js';
import { randomStream } from '../../../src/random.js';
import { denseProducts, frobenius } from './arbitraries.js';
import { Toy } from './federate.js';
import { toyLayout } from './quadratic.js';

/** Two modules of 3 inputs and 2 outputs: no product has a rank above 2. */
export const layout = toyLayout();
const NUM_TRAIN = [6, 1, 3];
export const SHARES = NUM_TRAIN.map((n) => n / 10);
/** Of what clients "train" to: numbers in [-1, 1) for every entry that may train, in each of three rounds. */
export const noise = fc.nat().map((seed) =>
  [1, 2, 3].map((round) => {
    const random = randomStream(seed, 'noise', round);
    return Float32Array.from({ length: 3 * 4 * layout.size }, () => 2 * random() - 1);
  }),
);

/** Of what a client's main track "trains" to: noise wherever its phase lets it train. */
function trained({ name, adapter, phases }: Track, random: Float32Array, place: number): TrackResult {
  const trainable = phases[0]!.kind === 'train' ? phases[0]!.trainable : null;
  const values = adapter.values.map((value, p) =>
    trainable === null || trainable[p] === 1 ? random[(7 * place + p) % random.length]! : value,
  );
  const tokens = { train: 0, search: 0, targets: 0 };
  return { name, adapter: { ...adapter, values }, losses: [1], meanGradient: null, tokens };
}

/** A method with clients that return the noise of each round. */
export function makeFederation(
  method: string,
  ranks: readonly number[],
  random: readonly Float32Array[],
  settings: Record<string, unknown> = {},
): Toy {
  const config = parseConfig({
    method,
    ...settings,
    seed: 5,
    lora_r: 2,
    num_rounds: 3,
    rank_per_client: ranks.every((r) => r === 2) ? null : [...ranks],
  });
  const clients = ranks.map((rank, i): ClientInfo => ({ id: `c${i}`, rank, numTrain: NUM_TRAIN[i]!, numTargets: 1 }));
  const initial = Float32Array.from({ length: layout.size }, (_, p) => Math.sin(p + 1));
  // As a fresh adapter: B = 0.
  for (const { offsetB, outDim, rank } of layout.modules) initial.fill(0, offsetB, offsetB + outDim * rank);
  const toy: Toy = new Toy({
    config,
    layout,
    initial,
    clients,
    train: (tracks, _seed, client) => [trained(tracks[0]!, random[toy.rounds.length]!, Number(client.slice(1)))],
  });
  return toy;
}

export interface Round {
  /** What the clients trained, in the order of their ids. */
  readonly results: readonly Adapter[];
  readonly after: Adapter;
  readonly metrics: Readonly<Record<string, unknown>>;
}

/** As many rounds of a method as there is noise for. */
export function runRounds(toy: Toy, random: readonly Float32Array[]): Round[] {
  return random.map(() => {
    const { results, metrics } = toy.round();
    const after = toy.global();
    return {
      results: [...results.values()].map(([main]) => main!.adapter),
      after: { ...after, values: after.values.slice() },
      metrics,
    };
  });
}

/** sum of weights times the products of the clients, module by module. */
export function meanProduct(results: readonly Adapter[], weights: readonly number[]): number[][] {
  const products = results.map(({ layout: own, values }) => denseProducts(own, values));
  return products[0]!.map((product, m) =>
    product.map((_, e) => products.reduce((sum, own, i) => sum + weights[i]! * own[m]![e]!, 0)),
  );
}

export const worst = (a: readonly number[][], b: readonly number[][]) =>
  Math.max(...a.map((product, m) => frobenius(product.map((x, e) => x - b[m]![e]!))));

/** What the clients' main tracks would start from in a round. */
export function startsOf(toy: Toy, round: number): Adapter[] {
  const sent = toy.server.send(toy.context(round));
  return toy.clients.map(({ id }) => toy.work(id, sent.get(id)!, round)[0]!.adapter);
}
