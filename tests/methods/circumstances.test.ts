import { describe, expect, it } from 'vitest';
import { compactAdapter } from '../../src/adapter/components.js';
import { countOnes } from '../../src/adapter/masks.js';
import type { RunError } from '../../src/errors.js';
import { readPeftAdapter } from '../../src/export/index.js';
import { macro, outcomeOf, roundMetrics, runInline } from './inlineRun.js';

const rounds = (run: Awaited<ReturnType<typeof runInline>>) => run.events.filter((event) => event.type === 'round');
const DEVICES = [
  { name: 'desk', tokens_per_second: 1000, share: 1 },
  { name: 'phone', tokens_per_second: 100, upload_mbps: 1, share: 1 },
];

describe('unlike ranks', () => {
  const ranks = [1, 2, 3, 4, 5, 6, 7, 8];

  it.each(['perfit', 'hetlora', 'flexlora', 'flora', 'local'])('%s learns with them', async (method) => {
    const run = await runInline({ method, rank_per_client: ranks });
    const which = { local: 'local' as const, perfit: 'personalized' as const }[method] ?? 'global';
    expect(macro(run, which)).toBeLessThan(macro(run, 'base'));
  });

  it('gives each client of perfit exactly its budget, r_i (d + k) entries a module', async () => {
    const run = await runInline({ method: 'perfit', rank_per_client: ranks });
    expect(run.federation.clients.map(({ rank }) => rank)).toEqual(ranks);
    for (const { id, rank } of run.federation.clients) {
      const { modules } = run.prepared.layout;
      const expected = modules.reduce((sum, m) => sum + rank * (m.inDim + m.outDim), 0);
      expect(countOnes(run.finished.masks.get(id)!)).toBe(expected);
    }
  });
});

describe('partial participation and dropouts', () => {
  it('samples as many as asked for, others another time, all from the seed', async () => {
    const settings = { method: 'fedavg', clients_per_round: 3, num_rounds: 4 };
    const run = await runInline(settings);
    const taken = rounds(run).map(({ clients }) => clients as string[]);
    expect(taken.map((clients) => clients.length)).toEqual([3, 3, 3, 3]);
    expect(new Set(taken.map((clients) => clients.join())).size).toBeGreaterThan(1);
    expect(outcomeOf(await runInline(settings))).toEqual(outcomeOf(run));
  });

  it.each(['perfit', 'scaffold', 'fedsa-lora', 'rolora', 'ditto', 'flora'])('%s copes with both', async (method) => {
    const run = await runInline({ method, clients_per_round: 5, dropout_rate: 0.3, num_rounds: 4 });
    const dropped = rounds(run).flatMap((event) => event.dropped as string[]);
    expect(dropped.length).toBeGreaterThan(0);
    const which = ['perfit', 'fedsa-lora', 'ditto'].includes(method) ? 'personalized' : 'global';
    const scores = run.finished.clients.map(({ test }) => test[which] ?? test.global!);
    const bases = run.finished.clients.map(({ test }) => test.base!);
    const ppl = (all: readonly { ppl: number }[]) => all.reduce((sum, score) => sum + score.ppl, 0);
    expect(ppl(scores)).toBeLessThan(ppl(bases));
  });

  it('logs a mutated pair whose partner dropped out', async () => {
    const run = await runInline({ method: 'fedavg', mutation: 'fedqp', dropout_rate: 0.3, num_rounds: 4 });
    const unbalanced = roundMetrics(run).map(({ mutation }) => (mutation as { unbalanced?: number })?.unbalanced ?? 0);
    expect(Math.max(...unbalanced)).toBeGreaterThan(0);
  });

  it('stops with an error where too few come back', async () => {
    await expect(runInline({ dropout_rate: 1, num_rounds: 1 })).rejects.toMatchObject({
      code: 'TOO_FEW_CLIENTS',
    } satisfies Partial<RunError>);
  });

  it('tries a crashed client again, and goes on without it when it crashes for good', async () => {
    let crashes = 0;
    const run = await runInline(
      { method: 'fedavg', num_rounds: 1, retries: 2 },
      {
        tamper: (update, _request, client) => {
          if (client !== 'ashgrove-caretakers') return update;
          crashes++;
          throw new Error('power cut');
        },
      },
    );
    expect(crashes).toBe(3);
    expect(run.events.find(({ type }) => type === 'client_failed')).toMatchObject({ client: 'ashgrove-caretakers' });
    expect(rounds(run)[0]!.clients).not.toContain('ashgrove-caretakers');
  });

  /** Where updates are merged as they come, and where all must be there first. */
  const MERGES: readonly { readonly how: string; readonly part?: string; readonly more: Record<string, unknown> }[] = [
    { how: 'as they come', more: { method: 'fedavg' } },
    { how: 'with a deadline', more: { method: 'fedavg', devices: DEVICES, deadline: 1000 } },
    { how: 'robustly', more: { method: 'fedavg', robust: 'median' } },
    { how: 'of mutants', more: { method: 'fedavg', mutation: 'fedqp' } },
    { how: 'into the controls', part: 'control', more: { method: 'scaffold' } },
    { how: 'by groups', more: { method: 'clustered' } },
    { how: 'as a stack', more: { method: 'flora' } },
    { how: 'asynchronously', more: { method: 'fedavg', devices: DEVICES, async_buffer: 2, num_rounds: 4 } },
  ];
  it.each(MERGES)(
    'an update that can be read but not merged is its client’s failure: $how',
    async ({ more, part = 'adapter' }) => {
      const settings = { partition: 'iid', num_clients: 3, num_rounds: 2, also_local: false, retries: 0, ...more };
      let isOdd = false;
      const run = await runInline(settings, {
        tamper: (update, { round }, client) => {
          if (client !== 'client-1' || round !== 1 || isOdd) return update;
          isOdd = true;
          const { [part]: odd } = update.parts;
          return { ...update, parts: { ...update.parts, [part]: { ...odd!, values: odd!.values.slice(1) } } };
        },
      });
      const failed = run.events.filter((event) => event.type === 'client_failed');
      expect(failed).toMatchObject([{ round: 1, client: 'client-1', message: expect.stringContaining('client-1') }]);
      expect(rounds(run)).toHaveLength(run.prepared.config.num_rounds);
      const took = rounds(run).flatMap(({ clients }) => clients);
      expect(took).toContain('client-1');
      if (!('devices' in more)) expect(rounds(run)[0]!.clients).toEqual(['client-0', 'client-2']);
    },
  );
});

describe('a virtual clock', () => {
  const slow = { method: 'fedavg', devices: DEVICES, num_rounds: 5 };
  /** Long enough for a desk, too short for a phone. */
  const DEADLINE = 2;

  it('lets a round last as long as its slowest client', async () => {
    const run = await runInline(slow);
    const seconds = rounds(run).map((event) => event.virtual_seconds as number);
    expect(seconds[0]).toBeGreaterThan(DEADLINE);
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
    expect(run.finished.state.clock).toBe(seconds.at(-1));
  });

  it('drops what comes after the deadline', async () => {
    const run = await runInline({ ...slow, deadline: DEADLINE });
    expect(rounds(run).flatMap((event) => event.late as string[]).length).toBeGreaterThan(0);
    expect(rounds(run).flatMap((event) => event.joined_late as string[])).toEqual([]);
    expect(run.finished.state.clock).toBeLessThanOrEqual(5 * DEADLINE);
  });

  it.each(['fedavg', 'perfit', 'ffa-lora', 'fedadam'])('lets late updates of %s join discounted', async (method) => {
    // PerFIT's search comes on top of a phone's steps: a short one, so that it ends while the desks' rounds of half a
    // second go on.
    const search = { warmup_steps: 1, importance_samples: 1 };
    const run = await runInline({ ...slow, ...search, method, deadline: DEADLINE, late: 'discount', num_rounds: 20 });
    expect(rounds(run).flatMap((event) => event.joined_late as string[]).length).toBeGreaterThan(0);
    expect(macro(run, method === 'perfit' ? 'personalized' : 'global')).toBeLessThan(macro(run, 'base'));
  });

  it('lets a late update join a round that did not sample its client', async () => {
    const settings = { ...slow, deadline: DEADLINE, late: 'discount', clients_per_round: 3, num_rounds: 10 };
    const run = await runInline(settings);
    expect(rounds(run).flatMap((event) => event.joined_late as string[]).length).toBeGreaterThan(0);
    expect(outcomeOf(await runInline(settings, { from: run.states[5]! }))).toEqual(outcomeOf(run));
  });

  it('charges the wire only with what a method sends', async () => {
    const narrow = { devices: [{ name: 'modem', tokens_per_second: 1e9, upload_mbps: 1, download_mbps: 1e6 }] };
    const clock = async (method: string) => (await runInline({ method, ...narrow, num_rounds: 2 })).finished.state;
    const [whole, onlyB, nothing] = [await clock('fedavg'), await clock('ffa-lora'), await clock('local')];
    expect(onlyB.clock / whole.clock).toBeCloseTo(onlyB.totals.bytesUp / whole.totals.bytesUp, 3);
    expect(nothing.clock).toBeLessThan(1e-3);
  });
});

describe('asynchronous mode', () => {
  const settings = { devices: DEVICES, async_buffer: 2, clients_per_round: 5, num_rounds: 6 };

  it.each(['fedavg', 'perfit', 'fedavgm'])('%s merges whenever two updates have come', async (method) => {
    const run = await runInline({ ...settings, method });
    expect(rounds(run).map((event) => (event.clients as string[]).length)).toEqual([2, 2, 2, 2, 2, 2]);
    const ages = rounds(run).flatMap((event) => Object.values(event.ages as Record<string, number>));
    expect(Math.max(...ages)).toBeGreaterThan(0);
    expect(macro(run, method === 'perfit' ? 'personalized' : 'global')).toBeLessThan(macro(run, 'base'));
    expect(outcomeOf(await runInline({ ...settings, method }, { from: run.states[3]! }))).toEqual(outcomeOf(run));
  });

  it('lets perfit search again while updates of earlier rounds are under way', async () => {
    const run = await runInline({ ...settings, method: 'perfit', search_round: 2, search_every: 2 });
    expect(run.finished.masks.size).toBeGreaterThan(0);
  });
});

describe('robust merges', () => {
  const robust = ['median', 'trimmed_mean', 'krum', 'multi_krum', 'norm_clip'];
  const methods = ['fedavg', 'fedprox', 'ffa-lora', 'fedsa-lora', 'rolora', 'perfit'];
  const cases = methods.flatMap((method) =>
    robust.filter((merge) => method !== 'perfit' || !merge.includes('krum')).map((merge) => [method, merge]),
  );

  it.each(cases)('%s learns with %s', async (method, merge) => {
    const run = await runInline({ method, robust: merge });
    const which = method === 'perfit' || method === 'fedsa-lora' ? 'personalized' : 'global';
    expect(macro(run, which)).toBeLessThan(macro(run, 'base'));
  });
});

describe('what an owner takes home', () => {
  it('is the best of its own validation split, and names it', async () => {
    const run = await runInline({ method: 'perfit', also_local: true, finetune_steps: 2, num_rounds: 2 });
    for (const { client, takeHome, valid, test } of run.finished.clients) {
      expect(Object.keys(valid).sort()).toEqual(['base', 'local', 'personalized', 'tuned', 'unmerged']);
      const best = Math.min(...Object.values(valid).map(({ nll }) => nll));
      expect(valid[takeHome]!.nll).toBe(best);
      expect(test[takeHome]).toBeDefined();
      // Who goes home with the base gets an adapter that changes nothing.
      const { layout, values } = await readPeftAdapter(run.takeHomes.get(client.id)!, run.prepared.model);
      const isBase = layout.modules.every(({ offsetB, outDim, rank }) =>
        values.subarray(offsetB, offsetB + outDim * rank).every((value) => value === 0),
      );
      expect(isBase).toBe(takeHome === 'base');
    }
    expect(run.finished.state.totals.tune).toBeGreaterThan(0);
  });

  it.each(['ditto', 'perfit', 'fedsa-lora'])('is what the run file names, with %s', async (method) => {
    const run = await runInline({ method, take_home: 'personalized' });
    expect(run.finished.clients.map(({ takeHome }) => takeHome)).toEqual(
      run.federation.clients.map(() => 'personalized'),
    );
  });

  it('is refused where the method has no such adapter', async () => {
    await expect(runInline({ method: 'fedavg', take_home: 'personalized' })).rejects.toThrow('take_home');
  });

  it('is never a mutant: the same with the mutation of the last round undone', async () => {
    const settings = { method: 'perfit', mutation: 'fedqp', num_rounds: 3, take_home: 'personalized' };
    const { finished, takeHomes, prepared } = await runInline(settings);
    for (const { client } of finished.clients) {
      const { layout, values: merged } = finished.global!;
      const mask = finished.masks.get(client.id)!;
      const own = { layout, values: merged.map((value, p) => (mask[p] === 1 ? value : 0)), mask };
      const taken = await readPeftAdapter(takeHomes.get(client.id)!, prepared.model);
      expect(taken.values).toEqual(compactAdapter(own).values);
    }
  });
});
