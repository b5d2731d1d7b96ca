import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Which } from '../../src/contracts/evaluation.js';
import { readPeftAdapter } from '../../src/export/index.js';
import { digest, type InlineRun, outcomeOf, runInline, stateText, temporaryFolder } from './inlineRun.js';

/** So fast that owners overfit and the last round is not the best. */
const FAST = {
  ...{ partition: 'iid', num_clients: 3, num_rounds: 5, local_steps: 3, learning_rate: 0.1 },
  ...{ eval_every: 1, max_train_examples: 3, max_valid_examples: 2, max_test_examples: 1, seq_length: 48 },
};
const KEEP = { ...FAST, method: 'ditto', also_local: true, keep: 'best_on_validation' };

const evaluations = ({ events }: InlineRun) => events.filter((event) => event.type === 'evaluation');
/** Loss of an owner's adapter on validation after each round from 1. */
const course = (run: InlineRun, client: string, which: Which): number[] =>
  evaluations(run)
    .slice(1)
    .map(({ clients }) => clients[client]![which]!.nll);
const lowestAt = (losses: readonly number[]): number => 1 + losses.indexOf(Math.min(...losses));

describe('keep: best_on_validation', () => {
  let last: InlineRun;
  let best: InlineRun;
  beforeAll(async () => {
    last = await runInline({ ...KEEP, keep: 'last' });
    best = await runInline(KEEP);
  });

  it('changes nothing of the rounds', () => {
    expect(evaluations(best)).toEqual(evaluations(last));
    expect(best.states.map(({ loop }) => digest((loop.server.main as { theta: Float32Array }).theta))).toEqual(
      last.states.map(({ loop }) => digest((loop.server.main as { theta: Float32Array }).theta)),
    );
  });

  it('keeps the own adapters of every owner of the round that its validation examples prefer', () => {
    for (const { client, kept, valid } of best.finished.clients) {
      for (const which of ['personalized', 'local'] as const) {
        const losses = course(best, client.id, which);
        expect(kept![which]).toBe(lowestAt(losses));
        expect(valid[which]!.nll).toBe(Math.min(...losses));
      }
    }
    expect(new Set(best.finished.clients.map(({ kept }) => kept!.personalized)).size).toBeGreaterThan(1);
  });

  it('keeps one round of the shared adapter for all, by the mean', () => {
    const means = evaluations(best)
      .slice(1)
      .map(({ macro }) => macro.global!.nll);
    const round = lowestAt(means);
    expect(round).toBeLessThan(FAST.num_rounds);
    for (const { client, kept, valid } of best.finished.clients) {
      expect(kept!.global).toBe(round);
      expect(valid.global!.nll).toBe(course(best, client.id, 'global')[round - 1]);
    }
    const { theta } = best.states[round]!.loop.server.main as { theta: Float32Array };
    expect(digest(best.finished.global!.values)).toBe(digest(theta));
  });

  it('takes home what it kept', async () => {
    const shared = best.finished.clients.find(({ takeHome }) => takeHome === 'global');
    const adapter = await readPeftAdapter(best.takeHomes.get(shared!.client.id)!, best.prepared.model);
    expect(digest(adapter.values)).toBe(digest(best.finished.global!.values));
  });

  it('ends the same wherever the run was cut', async () => {
    for (const from of best.states.slice(-2)) {
      const resumed = await runInline(KEEP, { from });
      expect(outcomeOf(resumed)).toEqual(outcomeOf(best));
      expect(resumed.states.map(stateText)).toEqual(best.states.slice(from.loop.round + 1).map(stateText));
    }
  });

  it('fine-tunes what it kept', async () => {
    const tuned = await runInline({ ...KEEP, finetune_steps: 1, finetune_learning_rate: 1e-9 });
    for (const [i, { valid }] of tuned.finished.clients.entries()) {
      expect(valid.tuned!.nll).toBeCloseTo(best.finished.clients[i]!.valid.personalized!.nll, 4);
    }
  });
});

describe('early_stopping_patience', () => {
  it('ends as a run of so many rounds does, wherever it was cut', async () => {
    const settings = { ...FAST, method: 'fedavg', num_rounds: 8 };
    const stopped = await runInline({ ...settings, early_stopping_patience: 2 });
    const { round } = stopped.finished.state;
    expect(round).toBeLessThan(8);
    const means = evaluations(stopped)
      .slice(1)
      .map(({ macro }) => macro.global!.nll);
    expect(lowestAt(means)).toBe(round - 2);
    const whole = await runInline({ ...settings, num_rounds: round });
    expect(digest(stopped.finished.global!.values)).toBe(digest(whole.finished.global!.values));
    for (const from of stopped.states.slice(-2)) {
      const resumed = await runInline({ ...settings, early_stopping_patience: 2 }, { from });
      expect(outcomeOf(resumed)).toEqual(outcomeOf(stopped));
    }
  });

  it.each([{ keep: 'best_on_validation' }, { early_stopping_patience: 1 }])(
    '%o needs validation examples',
    async (keys) => {
      const data = join(temporaryFolder(), 'rows.jsonl');
      const rows = Array.from({ length: 24 }, (_, i) =>
        JSON.stringify({ instruction: `Say ${i}.`, output: `It is ${i}.` }),
      );
      writeFileSync(data, rows.join('\n'));
      const settings = { ...FAST, ...keys, data };
      await expect(runInline({ ...settings, valid_fraction: 0 })).rejects.toMatchObject({ code: 'NO_VALIDATION' });
      await expect(runInline({ ...settings, eval_every: 0 })).rejects.toMatchObject({ code: 'CONFIG_CONFLICT' });
    },
  );
});
