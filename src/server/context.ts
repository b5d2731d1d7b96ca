import type { RunConfig } from '../config/schema.js';
import type { ClientInfo, RoundContext } from '../methods/method.js';
import { stepsOf } from '../methods/schedule.js';
import { randomStream } from '../random.js';

/** The context of one round for the server's half of a method. */
export function makeContext(params: {
  readonly config: RunConfig;
  readonly round: number;
  readonly clients: readonly ClientInfo[];
  readonly nextClients: readonly ClientInfo[];
  readonly allClients: readonly ClientInfo[];
}): RoundContext {
  const { config, round } = params;
  return {
    round,
    numRounds: config.num_rounds,
    clients: params.clients,
    nextClients: params.nextClients,
    allClients: params.allClients,
    random: (purpose) => randomStream(config.seed, 'strategy', round, purpose),
    stepsOf: (client) => stepsOf(client.numTrain, config, round),
  };
}
