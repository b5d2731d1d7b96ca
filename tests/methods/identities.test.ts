import { describe, expect, it } from 'vitest';
import { checkAdapter } from '../../src/adapter/check.js';
import { expandRanks, initialValues } from '../../src/adapter/init.js';
import type { AdapterLayout, LayoutModule } from '../../src/adapter/layout.js';
import { countOnes } from '../../src/adapter/masks.js';
import { type Part, packPart, unpackPart } from '../../src/adapter/part.js';
import { trainerModules } from '../../src/adapter/shapes.js';
import { loadData } from '../../src/client/data.js';
import { examplesOf } from '../../src/client/examples.js';
import { runTracks } from '../../src/client/localWork.js';
import { openSetup } from '../../src/client/setup.js';
import { packBatch } from '../../src/data/pack.js';
import { EngineHost } from '../../src/links/engineHost.js';
import { makeTrainPhase } from '../../src/methods/schedule.js';
import { Base, cpuInfo, Trainer } from '../../src/native/engine.js';
import { createInlineLink } from '../links/inline.js';
import { describeAll, makeFederation } from '../links/owners.js';
import { digest, type InlineRun, runInline } from './inlineRun.js';

const SHORT = { num_rounds: 2, max_test_examples: 1, max_valid_examples: 1 };

/** The merged adapter and every loss on the way to it. */
const course = ({ finished, events }: InlineRun) => ({
  global: digest(finished.global?.values),
  losses: events.filter((event) => event.type === 'client').map(({ client, losses }) => ({ client, losses })),
});

describe('equal to the bit on the embedded data', () => {
  it('perfit with expansion 1, rewound, and fedavg: the search has random numbers of its own', async () => {
    const perfit = await runInline({ ...SHORT, method: 'perfit', expansion: 1 });
    expect(perfit.finished.state.totals.search).toBeGreaterThan(0);
    expect(course(perfit)).toEqual(course(await runInline({ ...SHORT, method: 'fedavg' })));
  });

  it.each(['element', 'rank'])(
    'perfit with prune: %s and masks of all ones, and fedavg at that rank',
    async (prune) => {
      const perfit = await runInline({ ...SHORT, method: 'perfit', prune, expansion: 2, rank_per_client: 8 });
      const { masks, clients } = perfit.finished;
      for (const { client } of clients) expect(masks.get(client.id)!.every((bit) => bit === 1)).toBe(true);
      // The scale stays alpha / lora_r after the expansion: 8 / 4.
      expect(course(perfit)).toEqual(
        course(await runInline({ ...SHORT, method: 'fedavg', lora_r: 8, lora_alpha: 16 })),
      );
    },
  );

  it.each(['fedavg', 'perfit'])('%s with a mutation of alpha 0 and without one', async (method) => {
    const mutated = await runInline({ ...SHORT, method, mutation: 'fedqp', alpha: 0 });
    expect(course(mutated)).toEqual(course(await runInline({ ...SHORT, method })));
  });
});

describe('an optimizer that is kept', () => {
  // One owner with one example: every step sees the same, so that rounds are but a way to count steps.
  const ALONE = { ...SHORT, partition: 'iid', num_clients: 1, max_train_examples: 1, min_examples: 1, batch_size: 1 };
  const lossesOf = async (settings: Record<string, unknown>): Promise<readonly number[]> => {
    const { events } = await runInline({ ...ALONE, ...settings });
    return events.flatMap((event) => (event.type === 'client' ? event.losses : []));
  };
  const CASES = [
    { method: 'local' },
    { method: 'centralized' },
    ...['fedavg', 'ditto', 'ffa-lora'].map((method) => ({ method, optimizer_state: 'keep' })),
    { method: 'perfit', search_round: 1, expansion: 1, optimizer_state: 'keep' },
  ];

  it.each(CASES)('%o: three rounds of two steps are one of six, to the bit', async (settings) => {
    const whole = await lossesOf({ ...settings, num_rounds: 1, local_steps: 6 });
    expect(await lossesOf({ ...settings, num_rounds: 3, local_steps: 2 })).toEqual(whole);
    const fresh = await lossesOf({ ...settings, num_rounds: 3, local_steps: 2, optimizer_state: 'fresh' });
    expect(fresh).not.toEqual(whole);
  });

  it('is refused where an entry means something else in the next round', async () => {
    for (const method of ['flora', 'flexlora', 'rolora', 'fedex-lora']) {
      await expect(lossesOf({ method, optimizer_state: 'keep' })).rejects.toMatchObject({ code: 'CONFIG_CONFLICT' });
    }
  });
});

describe('perfit', () => {
  it('fails with a reason where nothing tells entries apart: no warm-up, so B = 0', async () => {
    const run = runInline({ ...SHORT, method: 'perfit', search_round: 1, warmup_steps: 0, retries: 0 });
    await expect(run).rejects.toThrow(/scores that differ.*warmup_steps/);
  });

  it('sends mutants that stay inside the mask of their client', async () => {
    const exchanged: { client: string; round: number; sent: Part; back: Part }[] = [];
    const run = await runInline(
      {
        ...SHORT,
        method: 'perfit',
        search_round: 1,
        mutation: 'fedqp',
        mutation_start: 2,
        rank_per_client: [1, 2, 3, 4, 5, 6, 7, 8],
      },
      {
        tamper: (update, { round, parts }, client) => {
          exchanged.push({ client, round, sent: parts.adapter!, back: update.parts.adapter! });
          return update;
        },
      },
    );
    const { layout } = run.prepared;
    const masks = new Map(
      exchanged.filter(({ round }) => round === 1).map(({ client, back }) => [client, unpackPart(back, layout).mask!]),
    );
    expect(masks).toEqual(run.finished.masks);
    const mutants = exchanged.filter(({ round }) => round === 2);
    expect(mutants).toHaveLength(8);
    for (const { client, sent } of mutants) {
      const mask = masks.get(client)!;
      expect(sent.mask).toBe('known');
      expect(sent.values).toHaveLength(countOnes(mask));
      checkAdapter(unpackPart(sent, layout, { mask }), client);
    }
    expect(run.events.filter((event) => event.type === 'round' && event.metrics.mutation)).toHaveLength(1);
  });

  it('keeps N entries a module, and values outside the mask at 0 after every step', async () => {
    const federation = await makeFederation(
      { method: 'perfit', weight_decay: 0.1, lora_dropout: 0.1, max_train_examples: 8 },
      { owners: 1 },
    );
    const { config, homes } = federation;
    const [{ id, home }] = homes as [(typeof homes)[0]];
    const link = createInlineLink({ homes });
    await describeAll(link, federation);
    await link.close();
    const examples = examplesOf(loadData(home), 'train');
    const host = new EngineHost({ threads: 1, throwIfStopped: () => {} });
    const setup = await openSetup(config, host);
    const wide = expandRanks(federation.layout, federation.initial, (rank) => rank * config.expansion, config.seed);
    const sending = { parts: { adapter: packPart({ ...wide, mask: null }) }, note: { search: true } };
    const client = { id, numTrain: examples.count, numTargets: 1, rank: config.lora_r };
    const work = (steps: number) => {
      const trainPhase = (overrides = {}) => makeTrainPhase(config, 1, client.numTrain, { steps, ...overrides });
      return setup.arms.main.half.work(sending, undefined, { client, round: 1, trainPhase });
    };
    try {
      for (const steps of [1, 2, 3]) {
        const { adapter, losses } = runTracks(work(steps), { env: setup.engine.env, examples, seed: 3 })[0]!;
        expect(losses).toHaveLength(steps);
        checkAdapter(adapter, id);
        for (const module of adapter.layout.modules) {
          const mask = adapter.mask!.subarray(module.offsetA, endOf(module));
          expect(countOnes(mask)).toBe(config.lora_r * (module.inDim + module.outDim));
        }
      }
    } finally {
      host.dispose();
    }
  });
});

const endOf = ({ offsetB, outDim, rank }: LayoutModule) => offsetB + outDim * rank;

describe('expansion leaves the function as it is, to the bit', () => {
  const sets = cpuInfo().kernels;
  const cases = sets.flatMap((kernels) => (['f32', 'int8'] as const).map((precision) => ({ kernels, precision })));

  it.each(cases)('$kernels $precision: every log-likelihood of a trained adapter', async ({ kernels, precision }) => {
    const federation = await makeFederation({ precision }, { owners: 1 });
    const { model, layout, homes } = federation;
    const link = createInlineLink({ homes });
    await describeAll(link, federation);
    await link.close();
    const examples = examplesOf(loadData(homes[0]!.home), 'train');
    // As after training: no factor is 0.
    const values = initialValues(layout, 1).map((value, p) => value + 0.05 * Math.sin(p));
    const batch = packBatch([0, 1, 2].map(examples.example));
    const base = new Base({ description: model.description, precision, kernels });
    const score = ({ layout, values }: { layout: AdapterLayout; values: Float32Array }) => {
      const trainer = new Trainer({ base, modules: trainerModules(layout), threads: 1 });
      trainer.setValues(values);
      const { nll } = trainer.evaluate(batch);
      trainer.dispose();
      return nll;
    };
    try {
      const before = score({ layout, values });
      expect(before).not.toEqual(score({ layout, values: initialValues(layout, 1) }));
      for (const e of [2, 4, 8]) expect(score(expandRanks(layout, values, (rank) => rank * e, 7))).toEqual(before);
    } finally {
      base.dispose();
    }
  });
});
