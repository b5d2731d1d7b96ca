import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { METHODS } from '../../src/methods/index.js';

/** Benchmarks are plain JavaScript without types. */
const load = (name: string) => import(new URL(`../../benchmarks/lib/${name}`, import.meta.url).href);

const { divideQuestions, naturalOwners, CONVENTIONS, folderDigest } = await load('methodsData.mjs');
const { equalBudget } = await load('methodsBudget.mjs');
const { ROWS, CONTROLS, ABLATIONS, selectRows, PAIRS } = await load('methodsRows.mjs');
const { cellConfig, cellKey } = await load('methodsCells.mjs');
const { PART_IDS, partSettings } = await load('methodsParts.mjs');
const { cellWork, duration } = await load('methodsEstimate.mjs');
const { beyondEdge, bestRound, tuneRow } = await load('methodsTune.mjs');
const { costToReach, summarisePart, methodsMarkdown } = await load('methodsTable.mjs');
const { withMeasured } = await load('methodsDoc.mjs');

const folder = mkdtempSync(join(tmpdir(), 'fedtune-sweep-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Row = { instruction: string; response: string; category: string };
type Owners = Record<string, Record<'train' | 'valid' | 'test', Row[]>>;

const topic = (i: number) => ['animals', 'birds', 'cities', 'dishes'][i % 4]!;
const rows: Row[] = Array.from({ length: 400 }, (_, i) => ({
  instruction: `Question ${i}?`,
  response: `This is the answer to it. It is number ${i}.`,
  category: topic(i),
}));
const sizes = { train: 10, valid: 4, test: 6 };
const questionsOf = (owners: Owners) =>
  Object.values(owners).flatMap(({ train, valid, test }) =>
    [...train, ...valid, ...test].map((row) => row.instruction),
  );

describe('owners of the sweep', () => {
  it.each(['conventions', 'topics', 'mixed'])('have questions of their own each: %s', (division) => {
    const owners: Owners = divideQuestions(rows, division, { sizes, owners: 4, characters: 100 });
    expect(Object.keys(owners)).toHaveLength(4);
    for (const splits of Object.values(owners)) {
      expect(Object.fromEntries(Object.entries(splits).map(([split, own]) => [split, own.length]))).toEqual(sizes);
    }
    const all = questionsOf(owners);
    expect(new Set(all).size).toBe(all.length);
    expect(divideQuestions(rows, division, { sizes, owners: 4, characters: 100 })).toEqual(owners);
  });

  it('differ in what they were made to differ in, and in nothing else', () => {
    const make = (division: string): Owners => divideQuestions(rows, division, { sizes, owners: 4, characters: 100 });
    const categories = (owners: Owners) =>
      Object.values(owners).map(({ train }) => new Set(train.map(({ category }) => category)).size);
    const plain = (owners: Owners) =>
      Object.values(owners).map(({ test }) =>
        test.every(({ response }) => response.startsWith('This is the answer to it. It')),
      );
    expect(categories(make('topics'))).toEqual([1, 1, 1, 1]);
    expect(plain(make('topics'))).toEqual([true, true, true, true]);
    expect(Math.min(...categories(make('conventions')))).toBeGreaterThan(1);
    expect(plain(make('conventions'))).toEqual([false, false, false, false]);
    expect(categories(make('mixed'))).toEqual([1, 1, 1, 1]);
    expect(plain(make('mixed'))).toEqual([false, false, false, false]);
  });

  it('say what is missing', () => {
    const make = (division: string, more: object) => () =>
      divideQuestions(rows, division, { sizes, characters: 100, ...more });
    expect(make('conventions', { owners: 9 })).toThrow(/at most 8/);
    expect(make('conventions', { owners: 8, sizes: { ...sizes, train: 90 } })).toThrow(
      /800 short questions but the data has 400/,
    );
    expect(make('topics', { owners: 5 })).toThrow(/5 categories .* animals 100/);
    expect(make('topics', { characters: 10 })).toThrow(/at least 20 short questions/);
  });

  it('lie in a folder, a file or a folder each, split once for all seeds', () => {
    const natural = join(folder, 'natural');
    mkdirSync(join(natural, 'own'), { recursive: true });
    for (const split of ['train', 'valid', 'test'])
      writeFileSync(join(natural, 'own', `${split}.jsonl`), JSON.stringify({ text: split }));
    writeFileSync(join(natural, 'array.json'), JSON.stringify(rows.slice(0, 40)));
    writeFileSync(
      join(natural, 'lines.jsonl'),
      rows
        .slice(40, 52)
        .map((row) => JSON.stringify(row))
        .join('\n'),
    );
    writeFileSync(join(natural, 'README.md'), 'no rows');
    const owners = naturalOwners(natural, { sizes });
    expect(Object.keys(owners)).toEqual(['array', 'lines', 'own']);
    expect(owners.own.test).toEqual([{ text: 'test' }]);
    const counts = ({ train, valid, test }: Owners[string]) => [train.length, valid.length, test.length];
    expect(counts(owners.array)).toEqual([10, 4, 6]);
    expect(counts(owners.lines)).toEqual([4, 2, 6]);
    const { array, lines } = owners;
    expect(new Set(questionsOf({ array, lines })).size).toBe(20 + 12);
    expect(naturalOwners(natural, { sizes })).toEqual(owners);
    expect(() => naturalOwners(join(natural, 'own', '..', 'own'), { sizes, owners: 1 })).not.toThrow();
    mkdirSync(join(folder, 'empty'));
    expect(() => naturalOwners(join(folder, 'empty'), { sizes })).toThrow(/has 0/);
  });

  it('have another digest when a row, or a name, is another', () => {
    const place = join(folder, 'digest');
    mkdirSync(place);
    const digests = ['{"a": 1}', '{"a": 2}'].map((text) => {
      writeFileSync(join(place, 'x.jsonl'), text);
      return folderDigest(place);
    });
    writeFileSync(join(place, 'y.jsonl'), '{"a": 2}');
    expect(new Set([...digests, folderDigest(place)]).size).toBe(3);
  });

  it('write the same answer in eight ways', () => {
    const answers = Object.values(CONVENTIONS).map((write) =>
      (write as (text: string) => string)('One thing. Another thing.'),
    );
    expect(new Set(answers).size).toBe(8);
  });
});

describe('the budget of a row', () => {
  const everyRow = [...ROWS, ...CONTROLS, ...ABLATIONS];
  const plans = fc.record({
    rounds: fc.integer({ min: 4, max: 12 }),
    steps: fc.integer({ min: 4, max: 12 }),
    batch: fc.integer({ min: 1, max: 8 }),
  });

  it.each(everyRow.map((entry) => [entry.id, entry]))('of %s is never more than plain training has', (_, entry) => {
    fc.assert(
      fc.property(plans, (plan) => {
        const budget = equalBudget(entry, plan);
        const settings = { ...budget, ...entry.settings };
        const steps = budget.total_steps ?? budget.num_rounds * budget.local_steps;
        const trained = entry.tracks * steps + (budget.finetune_steps ?? 0);
        const { prune_score: score = 'taylor' } = entry.spend === 'as perfit' ? {} : settings;
        const batches = (settings.stages ?? 0) * Math.ceil((settings.importance_samples ?? 0) / plan.batch);
        const warmup = score === 'random' ? 0 : (settings.warmup_steps ?? 0);
        const spent = trained + warmup + (score === 'taylor' ? batches : 0);
        expect(spent).toBeLessThanOrEqual(plan.rounds * plan.steps);
        // What is left over is not enough for another step of every track.
        expect(spent + entry.tracks).toBeGreaterThan(plan.rounds * plan.steps);
        expect(steps).toBeGreaterThanOrEqual(budget.num_rounds);
      }),
    );
  });

  it('of training alone is one training of all steps', () => {
    const [local] = selectRows('local');
    expect(equalBudget(local, { rounds: 6, steps: 5, batch: 4 })).toEqual({ num_rounds: 1, local_steps: 30 });
  });

  it('counts what a search of the row itself scores', () => {
    const search = { method: 'perfit', stages: 1, importance_samples: 4, warmup_steps: 0 };
    const [perfit] = selectRows('perfit');
    const plan = { rounds: 5, steps: 5, batch: 4 };
    expect(equalBudget({ ...perfit, settings: search }, plan)).toMatchObject({ num_rounds: 5, total_steps: 24 });
  });
});

it('has a row for every method', () => {
  const methods = new Set(ROWS.map(({ settings }: { settings: { method: string } }) => settings.method));
  expect([...METHODS].filter((method) => !methods.has(method))).toEqual([]);
});

it('merges every owner with the same weight, whatever the row compares', () => {
  for (const name of PART_IDS.filter((id: string) => id.startsWith('embedded'))) {
    const settings = partSettings(name, { quick: false });
    const sized = ROWS.filter((entry: { settings: object }) => {
      const { merge_weights } = cellConfig(settings, entry, { seed: 1, tuned: {}, phase: 'test' });
      return merge_weights !== 'uniform';
    });
    expect(sized, name).toEqual([]);
  }
});

it('gives owners unlike ranks where a row is about them, and nowhere else', () => {
  const settings = partSettings('embedded', { quick: false });
  const ranksOf = (id: string) =>
    cellConfig(settings, selectRows(id)[0], { seed: 1, tuned: {}, phase: 'test' }).rank_per_client;
  for (const method of ['hetlora', 'flexlora']) {
    expect(ranksOf(method)).toBeUndefined();
    for (const row of ['ranks', 'rank-aware']) expect(ranksOf(`${method}-${row}`)).toEqual([2, 8, 2, 8, 2, 8, 2, 8]);
  }
});

it('compares rows that exist', () => {
  for (const id of PAIRS.flat()) expect(() => selectRows(id)).not.toThrow();
  expect(() => selectRows('fedmagic')).toThrow(/fedmagic/);
});

const part = {
  name: 'topics',
  plan: { rounds: 3, steps: 4, batch: 2 },
  grid: [1e-3, 2e-3, 4e-3],
  extend: true,
  dataSha256: 'd1',
  config: { model: '/somewhere/base.gguf', data: '/somewhere/topics-1', merge_weights: 'uniform' },
};
const [fedavg, local, tuned] = selectRows('fedavg,local,fedavg+finetune');
const probe = { model_sha256: 'm1', kernels: 'vnni', digest: 'p1' };

describe('a kept cell', () => {
  const what = { seed: 1, tuned: { learning_rate: 1e-3 }, phase: 'test' };
  const keyOf = (of: object, by: object) => JSON.stringify(cellKey(of, cellConfig(of, fedavg, what), by));

  it('is another one when data, base, kernels, settings, or what is computed, are others', () => {
    const keys = [
      keyOf(part, probe),
      keyOf({ ...part, dataSha256: 'd2' }, probe),
      keyOf({ ...part, plan: { ...part.plan, steps: 5 } }, probe),
      ...Object.keys(probe).map((key) => keyOf(part, { ...probe, [key]: 'other' })),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is the same wherever base and data lie', () => {
    const elsewhere = { ...part, config: { ...part.config, model: '/other/base.gguf', data: '/other/topics-1' } };
    expect(keyOf(elsewhere, probe)).toBe(keyOf(part, probe));
  });

  it('scores nothing that is not used', () => {
    expect(cellConfig(part, fedavg, { ...what, phase: 'tune' })).toMatchObject({ eval_every: 1, max_test_examples: 1 });
    expect(cellConfig(part, fedavg, what)).toMatchObject({ eval_every: 0, merge_weights: 'uniform' });
    const counts = { owners: 4, valid: 64, test: 240 };
    expect(cellWork(part, fedavg, cellConfig(part, fedavg, what), counts)).toEqual({
      train: 96,
      score: 2 * (64 + 240),
    });
  });
});

/** A cell as a run leaves it: perplexities of owners on validation after each round, and on test. */
function cell(report: string, { seed = 1, rounds = [[4, 4]], test = [4, 4], tune = 0 } = {}) {
  const scores = (ppl: number[], from = report) => ppl.map((value) => ({ [from]: { ppl: value } }));
  const macro = (ppl: number[]) => ({ [report]: { ppl: ppl.reduce((sum, value) => sum + value, 0) / ppl.length } });
  return {
    seed,
    cpu: 'a processor',
    key: { kernels: 'vnni' },
    rounds: rounds.map((_, i) => ({ round: i + 1, bytes: 10, tokens: 100 })),
    test: Object.fromEntries(
      test.map((ppl, k) => [`owner${k}`, { [report]: { nll: [10 * Math.log(ppl)], tokens: [10] } }]),
    ),
    metrics: {
      rounds: rounds.length,
      model: { name: 'base' },
      precision: 'int8',
      clients: scores(test).map((client, k) => ({
        id: `owner${k}`,
        num_train: 8,
        num_val: 2,
        num_test: 1,
        ...client,
        valid: scores(rounds.at(-1)!)[k],
      })),
      macro: { ...macro(test), base: { ppl: 9 + seed * 1e-14 } },
      weighted: macro(test),
      evaluations: [
        { round: 0, macro: {} },
        ...rounds.map((ppl, i) => ({ round: i + 1, macro: report === 'tuned' ? {} : macro(ppl) })),
      ],
      traffic: { bytes_up: 15, bytes_down: 15 },
      tokens: { train: 300, search: 0, tune },
      timing: { seconds: 1 },
    },
  };
}

describe('tuning', () => {
  it('looks beyond the edge of a geometric grid, by its own ratio', () => {
    expect(beyondEdge([1e-3, 2e-3, 4e-3], 1e-3)).toBe(5e-4);
    expect(beyondEdge([4e-3, 1e-3, 2e-3], 4e-3)).toBe(8e-3);
    expect(beyondEdge([1e-3, 2e-3, 4e-3], 2e-3)).toBeUndefined();
    expect(beyondEdge([1e-3], 1e-3)).toBeUndefined();
  });

  it.each([
    [2.6e-4, [1e-3, 2e-3, 4e-3, 5e-4, 2.5e-4, 1.25e-4], 2.5e-4],
    [1.9e-3, [1e-3, 2e-3, 4e-3], 2e-3],
    [7e-3, [1e-3, 2e-3, 4e-3, 8e-3, 16e-3], 8e-3],
  ])('finds the best rate where it is: %s', async (best, tried, chosen) => {
    const cellOf = async ({ tuned: { learning_rate: rate } }: { tuned: { learning_rate: number } }) => {
      const ppl = 4 + Math.abs(Math.log(rate / best));
      return cell('global', {
        rounds: [
          [9, 9],
          [ppl, ppl],
          [ppl + 1, ppl + 1],
        ],
      });
    };
    const found = await tuneRow(part, fedavg, { seed: 1, tuneAll: false, cellOf });
    expect(found.tried.map(({ learning_rate }: { learning_rate: number }) => learning_rate)).toEqual(tried);
    // The second round was the best of three.
    expect(found.chosen).toEqual({ learning_rate: chosen, num_rounds: 2 });
  });

  it('tries fewer steps of one training, and tuning from the round that was best before it', async () => {
    const asked: Record<string, number>[] = [];
    const steps = async ({ tuned: by }: { tuned: Record<string, number> }) => {
      asked.push(by);
      return cell('local', { rounds: [[by.local_steps === 4 ? 3 : 5, 4]] });
    };
    const alone = await tuneRow(part, local, { seed: 1, tuneAll: false, cellOf: steps });
    expect(asked.slice(-3).map(({ local_steps }) => local_steps)).toEqual([4, 8, 12]);
    expect(alone.chosen.local_steps).toBe(4);

    // Of two rounds the first was the better one, and fine-tuning from it is better still.
    const rounds = async ({ tuned: by }: { tuned: Record<string, number> }) => {
      const one = cell('tuned', {
        rounds:
          by.num_rounds === 1
            ? [[3, 3]]
            : [
                [4, 4],
                [4, 4],
              ],
      });
      const before = [4, 5].map((ppl, i) => ({ round: i + 1, macro: { global: { ppl } } }));
      return { ...one, metrics: { ...one.metrics, evaluations: before } };
    };
    const after = await tuneRow(part, tuned, { seed: 1, tuneAll: false, cellOf: rounds });
    expect(after.chosen.num_rounds).toBe(1);
    expect(after.tried.slice(-2).map((one: Record<string, number>) => [one.num_rounds, one.valid_ppl])).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });

  it('takes a setting that diverged for the worst', () => {
    expect(bestRound({ error: 'DIVERGED: ...' }, fedavg).ppl).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the table', () => {
  const row = (entry: object, cells: object[], best?: object) => ({
    entry,
    cells,
    tuned: { learning_rate: 1e-3 },
    tried: [],
    best,
  });
  const alone = row(
    local,
    [1, 2, 3].map((seed) => cell('local', { seed, test: [4, 8] })),
    cell('local', { rounds: [[5, 5]] }),
  );
  const shared = row(
    fedavg,
    [1, 2, 3].map((seed) => cell('global', { seed, test: [3, 9 + seed / 10] })),
    cell('global', {
      rounds: [
        [8, 8],
        [6, 4],
        [3, 3],
      ],
    }),
  );
  const summary = summarisePart(part, [alone, shared]);
  const [, ours] = summary.rows;

  it('has the means, the worst owner and the share of owners that are better than alone', () => {
    expect(ours.macro.mean).toBeCloseTo((3 + 9.2) / 2, 12);
    expect(ours.worst.mean).toBeCloseTo(9.2, 12);
    expect(ours.better.mean).toBe(0.5);
    expect(summary.rows[0].better).toBeNull();
  });

  it('can be about what each owner takes home', () => {
    const [home] = selectRows('perfit+fedqp+finetune@home');
    const both = cell('tuned', { test: [3, 9] });
    const [first, second] = both.metrics.clients;
    Object.assign(first!, { take_home: { which: 'tuned' } });
    Object.assign(second!, { take_home: { which: 'global' }, global: { ppl: 7 } });
    Object.assign(second!.valid!, { global: { ppl: 6 } });
    Object.assign(both.test.owner1!, { global: { nll: [10 * Math.log(7)], tokens: [10] } });
    Object.assign(both.metrics.macro, { take_home: { ppl: 5 } });
    Object.assign(both.metrics.weighted, { take_home: { ppl: 5 } });
    expect(bestRound(both, home).ppl).toBe((4 + 6) / 2);
    const other = { ...cell('local', { test: [3, 7] }) };
    const table = summarisePart(part, [row(home, [both]), row(local, [other])]);
    expect(table.rows[0]).toMatchObject({ macro: { mean: 5 }, worst: { mean: 7 } });
    expect(table.comparisons).toHaveLength(1);
    expect(table.comparisons[0].difference).toBeCloseTo(0, 12);
  });

  it('has what it cost until it was as good as alone', () => {
    expect(ours.to_local).toEqual({ bytes: 20, tokens: 200 });
    expect(costToReach({ ...shared, best: cell('global', { rounds: [[8, 8]] }) }, alone)).toBeNull();
    const end = {
      entry: tuned,
      best: cell('tuned', {
        rounds: [
          [8, 8],
          [4, 4],
        ],
        tune: 7,
      }),
    };
    expect(costToReach(end, alone)).toEqual({ bytes: 20, tokens: 207 });
  });

  it('has one perplexity of the base, which no seed changes', () => {
    expect(summary.base).toBeCloseTo(9, 12);
    expect(methodsMarkdown([summary])).toContain('Macro perplexity of the base: 9.');
  });

  it('gives each difference by seed, and calls one run so', () => {
    const [pair] = summary.comparisons;
    expect(pair).toMatchObject({ row: 'fedavg', against: 'local', seeds: [1, 2, 3], examples: 2 });
    for (const [i, sum] of [12.1, 12.2, 12.3].entries()) expect(pair.by_seed[i]).toBeCloseTo(sum / 12 - 1, 8);
    const one = summarisePart(
      part,
      [alone, shared].map((each) => ({ ...each, cells: each.cells.slice(0, 1) })),
    );
    expect(methodsMarkdown([one])).toMatch(/\| fedavg \| local \|.*\| this run \|/);
  });

  it('says in docs/methods.md what was measured, or that nothing was', () => {
    const page = 'before\n<!-- measured: fedavg, ditto -->\n\nold\n\n<!-- end -->\nafter';
    expect(withMeasured(page, [])).toBe(
      'before\n<!-- measured: fedavg, ditto -->\n\nNot measured yet.\n\n<!-- end -->\nafter',
    );
    expect(withMeasured(page, [summary])).toContain('| `fedavg` | 6.1 ± 0.05 |');
    expect(withMeasured(page, [summary])).toContain('| `ditto` | - |');
    const other = { ...summary, part: 'mixed', rows: [] };
    expect(withMeasured(page, [summary, other])).not.toContain('mixed');
    expect(withMeasured(page, [other])).toBe(withMeasured(page, []));
    expect(withMeasured(withMeasured(page, [summary]), [])).toBe(withMeasured(page, []));
  });
});

it('says how long', () => {
  expect([40, 720, 12_000].map(duration)).toEqual(['40 s', '12 min', '3 h 20 min']);
});
