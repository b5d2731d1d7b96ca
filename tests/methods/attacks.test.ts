import { beforeAll, describe, expect, it } from 'vitest';
import type { TrainRequest, Update } from '../../src/contracts/messages.js';
import { normal, randomStream } from '../../src/random.js';
import { macro, runInline } from './inlineRun.js';

/** Robust merges take it that honest clients are alike (as their theory does), so owners' examples are mixed here. */
const SETTINGS = {
  partition: 'iid',
  num_clients: 8,
  method: 'fedavg',
  num_rounds: 6,
  local_steps: 6,
  batch_size: 4,
  max_train_examples: 40,
  max_test_examples: 8,
  max_valid_examples: 1,
};

type Attack = (update: Float32Array, round: number) => Float32Array;

/** What the dishonest client sends in place of its update (its values minus what it received). */
const ATTACKS: Readonly<Record<string, Attack>> = {
  'scaled x100': (update) => update.map((value) => 100 * value),
  'sign-flipped': (update) => update.map((value) => -value),
  random: (update, round) => {
    const random = randomStream(13, 'attack', round);
    const size = Math.sqrt(update.reduce((sum, value) => sum + value * value, 0) / update.length);
    return update.map(() => 20 * size * normal(random));
  },
};

const tamperWith = (attack: Attack) => {
  let attacker: string | undefined;
  return (update: Update, request: TrainRequest, client: string): Update => {
    attacker ??= client;
    if (client !== attacker) return update;
    const { adapter } = update.parts;
    const sent = request.parts.adapter!.values;
    expect(adapter!.values).toHaveLength(sent.length);
    const instead = attack(
      adapter!.values.map((value, p) => value - sent[p]!),
      request.round,
    );
    return { ...update, parts: { adapter: { ...adapter!, values: sent.map((value, p) => value + instead[p]!) } } };
  };
};

describe('one client of eight sends something else than it has trained', () => {
  let honest: number;
  beforeAll(async () => {
    const run = await runInline(SETTINGS);
    honest = macro(run, 'global');
    expect(honest).toBeLessThan(0.5 * macro(run, 'base'));
  });

  const cases = Object.keys(ATTACKS).flatMap((attack) =>
    ['median', 'trimmed_mean', 'multi_krum'].map((robust) => ({ attack, robust })),
  );

  it.each(cases)('$robust ends within 10 % of the honest run under $attack updates', async ({ attack, robust }) => {
    const run = await runInline({ ...SETTINGS, robust }, { tamper: tamperWith(ATTACKS[attack]!) });
    expect(macro(run, 'global')).toBeLessThan(1.1 * honest);
  });

  it.each(Object.keys(ATTACKS))('the plain mean does not under %s updates', async (attack) => {
    const outcome = await runInline(SETTINGS, { tamper: tamperWith(ATTACKS[attack]!) }).then(
      (run) => macro(run, 'global'),
      () => Number.POSITIVE_INFINITY,
    );
    expect(outcome).toBeGreaterThan(1.1 * honest);
  });
});
