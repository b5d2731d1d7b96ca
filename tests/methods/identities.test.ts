import { describe, expect, it } from 'vitest';
import { checkAdapter } from '../../src/adapter/check.js';
import { expandRanks, initialValues } from '../../src/adapter/init.js';
import type { AdapterLayout, LayoutModule } from '../../src/adapter/layout.js';
import { countOnes } from '../../src/adapter/masks.js';
import { trainerModules } from '../../src/adapter/shapes.js';
import { runClientJob } from '../../src/client/run.js';
import { parseConfig } from '../../src/config/parse.js';
import { packBatch } from '../../src/data/pack.js';
import { Base, cpuInfo, Trainer } from '../../src/native/engine.js';
import { prepareRun } from '../../src/run/prepare.js';
import { makeClientEnv } from '../../src/runtime/clientEnv.js';
import { shareExamples } from '../../src/runtime/sharedExamples.js';
import { makeContext } from '../../src/server/context.js';
import { createStrategy } from '../../src/server/strategies/index.js';
import { digest, type InlineRun, runInline, TINY_RUN } from './inlineRun.js';

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
      for (const { personalized } of perfit.finished.clients)
        expect(personalized!.mask!.every((bit) => bit === 1)).toBe(true);
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

describe('perfit', () => {
  it('fails with a reason where nothing tells entries apart: no warm-up, so B = 0', async () => {
    const run = runInline({ ...SHORT, method: 'perfit', warmup_steps: 0, retries: 0 });
    await expect(run).rejects.toThrow(/scores that differ.*warmup_steps/);
  });

  it('sends mutants that stay inside the mask of their client', async () => {
    let mutated = 0;
    const run = await runInline(
      { ...SHORT, method: 'perfit', mutation: 'fedqp', rank_per_client: [1, 2, 3, 4, 5, 6, 7, 8] },
      {
        tamper: (result, job) => {
          const { adapter } = job.tracks[0]!;
          if (job.round > 1) {
            checkAdapter(adapter, job.client);
            expect(adapter.mask).not.toBeNull();
            mutated++;
          }
          return result;
        },
      },
    );
    expect(mutated).toBe(8);
    expect(run.events.filter((event) => event.type === 'round' && event.metrics.mutation)).toHaveLength(1);
  });

  it('keeps N entries a module, and values outside the mask at 0 after every step', async () => {
    const config = parseConfig({ ...TINY_RUN, method: 'perfit', weight_decay: 0.1, max_train_examples: 8 });
    const prepared = await prepareRun(config);
    const base = new Base({ description: prepared.model.description, precision: config.precision });
    const env = makeClientEnv({
      examples: shareExamples(prepared.tokenized),
      createTrainer: (layout: AdapterLayout) =>
        new Trainer({ base, modules: trainerModules(layout), dropout: 0.1, threads: 1 }),
    });
    const { layout, clients } = prepared;
    const initial = initialValues(layout, config.seed);
    const strategy = createStrategy({ layout, initial, clients, seed: config.seed, config });
    const context = makeContext({ config, round: 1, clients, nextClients: [], allClients: clients });
    const [plan] = strategy.configure(context);
    const [search] = plan!.tracks[0]!.phases;
    const client = clients.find(({ id }) => id === plan!.client)!;
    try {
      for (const steps of [1, 2, 3]) {
        const tracks = [{ ...plan!.tracks[0]!, phases: [search!, context.trainPhase(client, { steps })] }];
        const job = { client: client.id, round: 1, seed: 3, trainIndices: client.train, tracks };
        const { adapter } = runClientJob(job, env).tracks[0]!;
        checkAdapter(adapter, client.id);
        for (const module of adapter.layout.modules) {
          const mask = adapter.mask!.subarray(module.offsetA, endOf(module));
          expect(countOnes(mask)).toBe(config.lora_r * (module.inDim + module.outDim));
        }
      }
    } finally {
      env.dispose();
      base.dispose();
    }
  });
});

const endOf = ({ offsetB, outDim, rank }: LayoutModule) => offsetB + outDim * rank;

describe('expansion leaves the function as it is, to the bit', () => {
  const sets = cpuInfo().kernels;
  const cases = sets.flatMap((kernels) => (['f32', 'int8'] as const).map((precision) => ({ kernels, precision })));

  it.each(cases)('$kernels $precision: every log-likelihood of a trained adapter', async ({ kernels, precision }) => {
    const config = parseConfig({ ...TINY_RUN, precision });
    const { model, layout, tokenized } = await prepareRun(config);
    // As after training: no factor is 0.
    const values = initialValues(layout, 1).map((value, p) => value + 0.05 * Math.sin(p));
    const batch = packBatch(tokenized.slice(0, 3));
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
      for (const e of [2, 4]) expect(score(expandRanks(layout, values, (rank) => rank * e, 7))).toEqual(before);
    } finally {
      base.dispose();
    }
  });
});
