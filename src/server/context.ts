import type { TrainPhase } from '../client/job.js';
import type { RunConfig } from '../config/schema.js';
import { randomStream } from '../random.js';
import { learningRates } from './schedule.js';
import type { ClientInfo, RoundContext } from './strategy.js';

/** Optimizer steps of a client in a round: `local_steps`, or what `local_epochs` of its examples need. */
export function stepsOf(client: Pick<ClientInfo, 'numTrain'>, config: RunConfig): number {
  return config.local_steps ?? stepsOfEpochs(client, config.local_epochs ?? 1, config);
}

/** Optimizer steps that `epochs` passes over a client's examples need, at least one. */
export function stepsOfEpochs(client: Pick<ClientInfo, 'numTrain'>, epochs: number, config: RunConfig): number {
  return Math.max(1, Math.ceil((epochs * client.numTrain) / (config.batch_size * config.gradient_accumulation_steps)));
}

/** A training phase with the run's settings; see RoundContext.trainPhase. */
export function makeTrainPhase(
  config: RunConfig,
  round: number,
  client: Pick<ClientInfo, 'numTrain'>,
  overrides: Partial<TrainPhase> = {},
): TrainPhase {
  const steps = overrides.steps ?? stepsOf(client, config);
  return {
    kind: 'train',
    steps,
    batchSize: config.batch_size,
    gradientAccumulationSteps: config.gradient_accumulation_steps,
    learningRates: learningRates(config, round, steps),
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: config.weight_decay,
    maxGradNorm: config.max_grad_norm,
    trainable: null,
    proxMu: 0,
    anchor: null,
    gradientOffset: null,
    wantMeanGradient: false,
    ...overrides,
  };
}

/** The context of one round for a strategy's hooks. */
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
    trainPhase: (client, overrides) => makeTrainPhase(config, round, client, overrides),
  };
}
