import { describe, expect, it } from 'vitest';
import type { Which } from '../../src/contracts/evaluation.js';
import { METHODS, type MethodId, methodsWith } from '../../src/methods/index.js';
import { macro, outcomeOf, roundMetrics, runInline } from './inlineRun.js';

const OWN: Partial<Record<MethodId, Which>> = {
  local: 'local',
  ditto: 'personalized',
  'fedsa-lora': 'personalized',
  clustered: 'personalized',
  perfit: 'personalized',
};
const MUTATIONS = ['none', 'fedmut', 'fedqp'] as const;

const plain = METHODS.flatMap((method) =>
  MUTATIONS.filter((mutation) => mutation === 'none' || methodsWith('mutable').includes(method)).map((mutation) => ({
    method,
    mutation,
  })),
);

/** What clients keep at home as well. */
const kept = (['fedavg', 'ditto', 'perfit'] as const).map((method) => ({
  ...{ method, mutation: 'fedqp' as const },
  ...{ optimizer_state: 'keep' },
}));

describe.each([...plain, ...kept])('%o on the embedded data', (given) => {
  const { method, mutation } = given;
  // In the round of its search a client of perfit gets the adapter as it is.
  const settings = { ...given, mutation_start: 2, ...(mutation === 'none' ? {} : { search_round: 1 }) };

  it('learns, and goes on from a saved state to the same bits', async () => {
    const run = await runInline(settings);
    const which = OWN[method] ?? 'global';
    expect(macro(run, which)).toBeLessThan(macro(run, 'base'));
    const mutated = roundMetrics(run).map((metrics) => metrics.mutation !== undefined);
    expect(mutated).toEqual([false, mutation !== 'none', mutation !== 'none']);

    const again = await runInline(settings, { from: run.states[2]! });
    expect(outcomeOf(again)).toEqual(outcomeOf(run));
  });
});
