import type { WorkPlan } from '../contracts/progress.js';
import { stepsOf, stepsOfEpochs } from '../methods/schedule.js';
import { isDue, progressSplit } from './evaluate.js';
import { chooseClients } from './rounds.js';
import { sampleSize } from './sampling.js';
import type { Federation, RunClient } from './types.js';

/** Rounds times clients up to which every round is drawn beforehand; beyond it all rounds count as the mean one. */
const MAX_DRAWS = 100_000;

const total = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0);

/** How long an owner's examples are next to others', by their target tokens. */
const lengthOf = ({ numTargets, numTrain }: RunClient): number => numTargets / Math.max(1, numTrain);

/** Training of each round: examples by their length. A method that stands for all owners trains on what they have together. */
function trainPlan(federation: Federation): number[] {
  const { config, clients, capabilities, arms } = federation;
  const { batch_size: batch, gradient_accumulation_steps: accumulation, num_rounds: numRounds } = config;
  const arm = arms.local ? 2 : 1;
  const ofSteps = (steps: number, length: number): number => arm * steps * batch * accumulation * length;
  if (capabilities.pooled) {
    const numTrain = total(clients, (client) => client.numTrain);
    const length = total(clients, ({ numTargets }) => numTargets) / Math.max(1, numTrain);
    return Array.from({ length: numRounds }, (_, i) => ofSteps(stepsOf(numTrain, config, i + 1), length));
  }
  const ofClient = (client: RunClient, round: number): number =>
    ofSteps(stepsOf(client.numTrain, config, round), lengthOf(client));
  const meanOf = (round: number): number =>
    total(clients, (client) => ofClient(client, round)) / Math.max(1, clients.length);
  const sampled = sampleSize(clients.length, config);
  if (config.async_buffer !== null) {
    // Before the first merge everybody begins; after it as many begin as were merged.
    const merged = Math.min(config.async_buffer, sampled);
    return Array.from({ length: numRounds }, (_, i) => meanOf(i + 1) * (i === 0 ? sampled : merged));
  }
  const isSame = sampled === clients.length && config.dropout_rate === 0;
  if (isSame || numRounds * clients.length > MAX_DRAWS) {
    return Array.from({ length: numRounds }, (_, i) => meanOf(i + 1) * sampled * (1 - config.dropout_rate));
  }
  return Array.from({ length: numRounds }, (_, i) =>
    total(chooseClients(federation, i + 1).active, (client) => ofClient(client, i + 1)),
  );
}

/** What a run has to do from its first round to its end, as far as it is known beforehand. */
export function planWork(federation: Federation): WorkPlan {
  const { config, clients, capabilities, arms } = federation;
  const split = progressSplit(clients);
  const examples = (of: 'valid' | 'test'): number =>
    total(clients, (client) => (of === 'valid' ? client.numValid : client.numTest) * lengthOf(client));
  const adapters = new Set([...capabilities.gives, ...(arms.local ? ['local'] : [])]).size;
  const { finetune_steps: steps, finetune_epochs: epochs } = config;
  const tunes = steps > 0 || epochs > 0;
  const tuneOf = (client: RunClient): number => {
    const taken = steps > 0 ? steps : stepsOfEpochs(client.numTrain, epochs, config);
    // Who trains alone beside the method takes as many more.
    const times = arms.local ? 2 : 1;
    return times * taken * config.batch_size * config.gradient_accumulation_steps * lengthOf(client);
  };
  const tuned = tunes ? 1 : 0;
  // What the owner's training left is scored at the end alone.
  const atEnd = tuned + (capabilities.silent ? 0 : 1);
  // What the last evaluation scored is known then, but who trains alone has trained on.
  const again = tunes && arms.local ? 1 : 0;
  // An adapter of an earlier round is none that was scored last.
  const kept = config.keep === 'last' ? 0 : adapters;
  const unscored = split === 'test' ? atEnd + again : 1 + adapters + atEnd;
  return {
    train: trainPlan(federation),
    score: Array.from({ length: config.num_rounds + 1 }, (_, round) =>
      isDue(round, federation) ? examples(split) * (round === 0 ? 1 : adapters) : 0,
    ),
    tune: tunes ? total(clients, tuneOf) : 0,
    finalScore: examples('test') * unscored + examples('valid') * (atEnd + again + kept),
  };
}
