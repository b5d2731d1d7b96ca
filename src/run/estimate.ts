import { performance } from 'node:perf_hooks';
import type { RunEstimate } from '../contracts/progress.js';
import { ConfigError } from '../errors.js';
import { stepsOf } from '../methods/schedule.js';
import { formatBytes } from '../report/format.js';
import { makeContext } from '../server/context.js';
import { chooseClients } from '../server/rounds.js';
import { sampleSize } from '../server/sampling.js';
import type { Federation } from '../server/types.js';
import { planWork } from '../server/workPlan.js';
import { type Calibration, calibrate, type MeanSequence } from './calibrate.js';
import { type ClientRound, firstRounds, type RoundKind } from './firstRounds.js';
import { memoryLimit } from './memory.js';
import type { DescribedOwner } from './owners.js';
import type { Prepared } from './prepare.js';

/** What is estimated from: a run that was opened. */
export interface EstimateInput {
  readonly prepared: Prepared;
  readonly federation: Federation;
  readonly owners: readonly DescribedOwner[];
  readonly workers: number;
  readonly threads: number;
  /** Of the two seconds of a calibration. @default 1 */
  readonly share?: number;
  /** Seconds that it took to open the run. @default 0: they are over */
  readonly opening?: number;
}

/** Bytes that a worker's part of the program grows by while it trains and scores; measured by `npm run check:plan`. */
const GROWTH = 22e6;

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** The mean training sequence of all owners, each by its examples. */
function meanSequence(owners: EstimateInput['owners']): MeanSequence {
  const count = Math.max(1, sum(owners.map(({ description }) => description.train.examples)));
  return {
    tokens: sum(owners.map(({ description }) => description.train.tokens)) / count,
    targets: sum(owners.map(({ description }) => description.train.targets)) / count,
  };
}

/** Owners that take part in any round; drawn where that is quick. */
function everSampled(federation: Federation): number {
  const { config, clients } = federation;
  const sampled = sampleSize(clients.length, config);
  if (sampled === clients.length || config.num_rounds * clients.length > 1e5) {
    return Math.min(clients.length, sampled * config.num_rounds);
  }
  const seen = new Set<string>();
  for (let round = 1; round <= config.num_rounds; round++) {
    for (const { id } of chooseClients(federation, round).active) seen.add(id);
  }
  return seen.size;
}

/** Clients that work at a time, in the mean over the rounds. */
function activeClients({ config, clients }: Federation): number {
  const sampled = sampleSize(clients.length, config);
  return config.async_buffer === null ? sampled * (1 - config.dropout_rate) : Math.min(config.async_buffer, sampled);
}

/** Workers that wait for the last of a round: three jobs of two workers take as long as four. */
function waiting(jobs: number, { config }: Federation, workers: number): number {
  if (config.async_buffer !== null) return 1;
  const whole = Math.max(1, Math.round(jobs));
  return (Math.ceil(whole / workers) * workers) / whole;
}

function timeOf(input: EstimateInput, rounds: readonly ClientRound[], mean: MeanSequence, rate: Calibration) {
  const { federation, workers } = input;
  const { config, clients, capabilities, arms } = federation;
  const work = planWork(federation);
  const { batch_size: batch, gradient_accumulation_steps: accumulation } = config;
  const usual = sum(clients.map(({ numTrain }) => stepsOf(numTrain, config, 2))) / clients.length;
  const main = capabilities.pooled ? 1 : rounds.at(-1)!.trained / Math.max(1, usual * batch * accumulation);
  const local = arms.local ? 1 : 0;
  const jobs = capabilities.pooled ? 1 : activeClients(federation) * (1 + local);
  const idle = waiting(jobs, federation, workers);
  // The plan counts target tokens.
  const trained = (sum(work.train) * (main + local)) / (1 + local) / mean.targets;
  const searched = rounds.reduce((most, round) => Math.max(most, round.searched), 0) * everSampled(federation);
  const tuned = work.tune / mean.targets;
  const scored = (sum(work.score) + work.finalScore) / mean.targets;
  return {
    train: ((trained + searched) * idle + tuned * waiting(clients.length, federation, workers)) / rate.trained,
    score: (scored * waiting(clients.length, federation, workers)) / rate.scored,
  };
}

function bytesOf(federation: Federation, rounds: readonly RoundKind[]) {
  const active = activeClients(federation);
  const total = (key: 'bytesDown' | 'bytesUp') => active * sum(rounds.map((round) => round.times * round[key]));
  return { down: total('bytesDown'), up: total('bytesUp') };
}

/** Updates that are in memory at once: all of a round, or those that came before their turn. */
function waitingUpdates({ federation, workers }: EstimateInput): number {
  const { config, clients, arms } = federation;
  const sampled = sampleSize(clients.length, config);
  if (config.deadline !== null || config.async_buffer !== null) return sampled;
  const context = makeContext({ config, round: 1, clients: [], nextClients: [], allClients: clients });
  return arms.main.openMerge?.(context) === undefined ? sampled : Math.min(sampled, 2 * workers);
}

function memoryOf(input: EstimateInput, [first]: readonly ClientRound[], measured: Calibration) {
  const { federation, workers } = input;
  const { config, clients } = federation;
  const sampled = sampleSize(clients.length, config);
  // Clients share what they are sent, but for mutants; updates are summed up in float64.
  const sent = first!.bytesDown * (config.mutation === 'none' ? 1 : sampled);
  const parts = {
    base: measured.base,
    training: measured.worker * workers,
    adapters: sent + first!.bytesUp * (waitingUpdates(input) + 3),
    rest: measured.rest + GROWTH * workers,
  };
  return { ...parts, total: sum(Object.values(parts)) };
}

function ownersOf({ federation, owners }: EstimateInput): RunEstimate['owners'] {
  const { config } = federation;
  return owners.map(({ id, description: { train, valid, test } }) => {
    const steps = stepsOf(train.examples, config, 1);
    const sequences = steps * config.batch_size * config.gradient_accumulation_steps;
    return {
      ...{ id, train: train.examples, valid: valid.examples, test: test.examples },
      ...{ steps, tokens: Math.round((sequences * train.tokens) / Math.max(1, train.examples)) },
    };
  });
}

/**
 * What a run takes, from the sizes of its owners' data, from what both halves of its method send, and from about two seconds of
 * training and scoring on this machine. Throws what the method and the engine throw.
 */
export async function estimateRun(input: EstimateInput): Promise<RunEstimate> {
  const { prepared, federation, owners, share, opening = 0 } = input;
  const begun = performance.now();
  const { rounds, layout, clients } = firstRounds(prepared, owners);
  const merging = ((performance.now() - begun) / 1000 / rounds.length) * (activeClients(federation) / clients);
  const rest = opening + merging * prepared.config.num_rounds;
  const mean = meanSequence(owners);
  const measured = await calibrate({ ...prepared, layout }, mean, input, share);
  const { train, score } = timeOf(input, rounds, mean, measured);
  return {
    seconds: { train, score, rest, total: train + score + rest },
    memory: memoryOf(input, rounds, measured),
    bytes: bytesOf(federation, rounds),
    owners: ownersOf(input),
  };
}

/** What would make a run smaller, with the bytes that it saves; the most first. */
function remedies({ memory }: RunEstimate, { config }: Prepared, workers: number): string[] {
  const ways: readonly [boolean, number, string][] = [
    [config.precision === 'f32', memory.base * 0.7, 'precision: int8'],
    [config.precision === 'int8', memory.base * 0.4, 'precision: int4'],
    [workers > 1, (memory.training / workers) * (workers - 1), 'workers: 1'],
    [!config.checkpointing, memory.training * 0.3, 'checkpointing: true'],
    [config.seq_length > 128, memory.training * 0.3, 'a shorter seq_length'],
  ];
  const saving = ways.filter(([there]) => there).sort(([, a], [, b]) => b - a);
  return saving.map(([, bytes, what]) => `${what} (some ${formatBytes(bytes)} less)`);
}

/** Throws ConfigError MEMORY where a run does not fit into `limit` bytes, saying what would help. */
export function requireRoom(estimate: RunEstimate, prepared: Prepared, workers: number, limit = memoryLimit()): void {
  const { total, ...parts } = estimate.memory;
  if (total <= limit) return;
  const list = Object.entries(parts).map(([name, bytes]) => `${name} ${formatBytes(bytes)}`);
  throw new ConfigError(
    `The run would take ${formatBytes(total)} of memory (${list.join(', ')}) but this machine has ${formatBytes(limit)}. ` +
      `What helps: ${remedies(estimate, prepared, workers).join('; ')}; or a smaller base.`,
    { code: 'MEMORY' },
  );
}
