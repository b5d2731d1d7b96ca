import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { TimeLeft } from '../../../src/report/timeLeft.js';
import type { Federation, RunClient } from '../../../src/server/types.js';
import { planWork } from '../../../src/server/workPlan.js';
import { toyFederation } from '../server/toyOwners.js';

interface World {
  /** Training and validation examples of each owner, and target tokens of one. */
  readonly owners: readonly { readonly train: number; readonly valid: number; readonly length: number }[];
  /** Seconds of training and of scoring on a target token. */
  readonly trainSecond: number;
  readonly scoreSecond: number;
  /** Tokens of a search in the first round, by those of its training. */
  readonly search: number;
}

function federationOf({ owners }: World, settings: Record<string, unknown>): Federation {
  const clients = owners.map(
    ({ train, valid, length }, i): RunClient => ({
      ...{ id: `owner-${String(i).padStart(3, '0')}`, rank: 2 },
      ...{ numTrain: train, numTargets: train * length, numValid: valid, numTest: 3 * valid },
    }),
  );
  const config = parseConfig({ num_rounds: 6, eval_every: 1, batch_size: 4, ...settings });
  return { ...toyFederation(settings), config, clients };
}

/** Seconds in which two workers do jobs one after the other, each taking the next when it is free. */
function makespan(jobs: readonly number[]): number {
  const free = [0, 0];
  for (const job of jobs) free[free[0]! <= free[1]! ? 0 : 1]! += job;
  return Math.max(...free);
}

/** Runs such a federation on a clock of its own: what was said to be left after the first round, and what was. */
function run(world: World, settings: Record<string, unknown> = {}) {
  const { owners, trainSecond, scoreSecond, search } = world;
  const federation = federationOf(world, settings);
  const { config } = federation;
  const adapters = federation.capabilities.gives.length;
  let clock = 100;
  const left = new TimeLeft(() => clock);
  const scores = (of: number) => makespan(owners.map(({ valid, length }) => of * valid * length * scoreSecond));
  const tokensOf = ({ train, length }: World['owners'][number]) => 4 * Math.ceil(train / 4) * length;
  left.begin(planWork(federation), 0);
  left.scoring(0);
  clock += scores(1);
  left.scored(0);
  let said: number | undefined;
  let then = 0;
  for (let round = 1; round <= config.num_rounds; round++) {
    const searched = round === 1 ? search : 0;
    left.round(round, owners.length);
    clock += makespan(owners.map((owner) => (1 + searched) * tokensOf(owner) * trainSecond));
    for (const owner of owners) left.trained((1 + searched) * tokensOf(owner), searched * tokensOf(owner));
    if (config.eval_every > 0 || round === config.num_rounds) {
      left.scoring(round);
      clock += scores(adapters);
      left.scored(round);
    }
    // After the scores as they are shown, or at the beginning of the next round.
    if (round === 1) [said, then] = [left.seconds, clock];
    if (round === 1 && config.eval_every === 0) {
      left.round(2, owners.length);
      [said, then] = [left.seconds, clock];
    }
  }
  left.end();
  const { finetune_steps: steps } = config;
  const tuned = steps > 0 ? 1 : 0;
  clock += makespan(owners.map(({ length }) => 4 * steps * length * trainSecond));
  // Its last training and what was tuned are scored at the end alone: on three test examples for each of validation.
  const atEnd = 1 + tuned;
  clock += scores(3 * (1 + adapters + atEnd) + atEnd);
  return { said, actual: clock - then };
}

const world: fc.Arbitrary<World> = fc.record({
  owners: fc.array(
    fc.record({ train: fc.integer({ min: 4, max: 200 }), valid: fc.nat(40), length: fc.integer({ min: 5, max: 80 }) }),
    { minLength: 8, maxLength: 30 },
  ),
  trainSecond: fc.double({ min: 1e-4, max: 1e-2, noNaN: true }),
  scoreSecond: fc.double({ min: 3e-5, max: 3e-3, noNaN: true }),
  search: fc.double({ min: 0, max: 4, noNaN: true }),
});

describe('the time left after the first round', () => {
  it('is within 15 % of what it takes, however uneven the owners, with a search, fine-tuning and the last scores', () => {
    const settings = fc.constantFrom(
      {},
      { eval_every: 0 },
      { finetune_steps: 30 },
      { eval_every: 0, finetune_steps: 7 },
    );
    fc.assert(
      fc.property(world, settings, (one, how) => {
        fc.pre(one.owners.some(({ valid }) => valid > 0));
        const { said, actual } = run(one, how);
        expect(Math.abs(said! - actual)).toBeLessThan(0.15 * actual);
      }),
    );
  });

  it('is known from the first job on, and runs down', () => {
    let clock = 0;
    const left = new TimeLeft(() => clock);
    left.begin({ train: [10, 10, 10], score: [0, 0, 0, 0], tune: 0, finalScore: 0 }, 0);
    left.round(1, 4);
    expect(left.seconds).toBeUndefined();
    clock += 2;
    left.trained(5, 0);
    expect(left.seconds).toBeCloseTo(22, 9);
    clock += 1;
    expect(left.seconds).toBeCloseTo(21, 9);
    clock += 100;
    expect(left.seconds).toBe(0);
  });

  it('of a run that goes on is measured on its own rounds', () => {
    let clock = 0;
    const left = new TimeLeft(() => clock);
    left.begin({ train: [10, 10, 10, 10], score: [1, 1, 1, 1, 1], tune: 10, finalScore: 0 }, 2);
    left.round(3, 1);
    clock += 5;
    left.trained(1, 0);
    left.scoring(3);
    clock += 1;
    left.scored(3);
    expect(left.seconds).toBeCloseTo(5 + 1 + 5, 9);
  });
});
