import type { RunConfig } from '../config/schema.js';
import type { ClientInfo } from '../methods/method.js';
import { byCode } from '../order.js';
import { randomStream } from '../random.js';

type SamplingConfig = Pick<RunConfig, 'seed' | 'sampling' | 'clients_per_round' | 'participation'>;

/** How many clients a round samples: `clients_per_round`, or `participation` of them (rounded, at least one). */
export function sampleSize(numClients: number, config: Pick<RunConfig, 'clients_per_round' | 'participation'>): number {
  const wanted = config.clients_per_round ?? Math.round(config.participation * numClients);
  return Math.min(numClients, Math.max(1, wanted));
}

/**
 * The clients of a round, sorted by id, without replacement: uniformly, or one after the other in proportion to their
 * training examples. Drawn from (seed, round, attempt) alone, so the next round's clients can be known beforehand.
 */
export function sampleClients<T extends ClientInfo>(
  clients: readonly T[],
  round: number,
  config: SamplingConfig,
  attempt = 0,
): T[] {
  const count = sampleSize(clients.length, config);
  const sorted = [...clients].sort((a, b) => byCode(a.id, b.id));
  if (count === clients.length) return sorted;
  const random = randomStream(config.seed, 'sample', round, attempt);
  const rest = [...sorted];
  const chosen: T[] = [];
  while (chosen.length < count) {
    const weights = rest.map(({ numTrain }) => (config.sampling === 'size' ? numTrain : 1));
    let mark = random() * weights.reduce((sum, weight) => sum + weight, 0);
    let at = 0;
    while (at < rest.length - 1 && mark >= weights[at]!) mark -= weights[at++]!;
    chosen.push(rest.splice(at, 1)[0]!);
  }
  return chosen.sort((a, b) => byCode(a.id, b.id));
}

/** Whether a sampled client drops out of this round. */
export function dropsOut(
  client: string,
  round: number,
  config: Pick<RunConfig, 'seed' | 'dropout_rate'>,
  attempt = 0,
): boolean {
  return (
    config.dropout_rate > 0 && randomStream(config.seed, 'dropout', round, client, attempt)() < config.dropout_rate
  );
}
