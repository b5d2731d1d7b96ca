import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import type { RunEvent } from '../../../src/contracts/events.js';
import { readEvents } from '../../../src/report/events.js';
import { reportHtml } from '../../../src/report/page/index.js';
import { readRecord } from '../../../src/report/record.js';
import { eventLines, runFolder } from './runFolder.js';

const round = (number: number) => ({
  type: 'round',
  round: number,
  clients: ['a'],
  bytes_up: 10,
  bytes_down: 20,
  metrics: {},
});
const final = { type: 'final', macro: {}, take_home: { a: 'base' } };
const metrics = (rounds: number) =>
  JSON.stringify({
    rounds,
    clients: [{ id: 'a', num_train: 1, num_val: 0, num_test: 0, take_home: { which: 'base' } }],
    macro: {},
    weighted: {},
    timing: { seconds: 1, tokens_per_second: 2, peak_rss_bytes: 3 },
  });
const read = async (text: string) => readEvents(join(await runFolder({ 'events.jsonl': text }), 'events.jsonl'));
const damaged = (message: string) =>
  expect.objectContaining({ code: 'DAMAGED', message: expect.stringContaining(message) });

describe('events.jsonl', () => {
  it('is read by kind, unknown kinds left out', async () => {
    const { events, torn } = await read(eventLines(round(1), { type: 'news', more: 1 }, round(2)));
    expect(torn).toBe(false);
    expect(events.round.map((event) => event.round)).toEqual([1, 2]);
    expect(events.round[0]).toMatchObject({ dropped: [], late: [], joined_late: [], ages: {} });
  });

  it('is read as the run writes it, every kind and field', async () => {
    const scores = { base: { nll: 1, ppl: Math.E, tokens: 3 } };
    const means = { round: 1, split: 'valid', macro: scores, weighted: scores } as const;
    // Typed by the contract: a field that the run renames or drops is an error here, or left out of what is read.
    const written: readonly RunEvent[] = [
      {
        type: 'start',
        config: parseConfig({}),
        ...{ partitionSha256: '1', modelSha256: '2', dataSha256: '3', kernels: 'avx2' },
        clients: [{ id: 'a', numTrain: 4 }],
      },
      { type: 'kernels', before: 'avx2', after: 'amx' },
      { type: 'client', round: 1, dispatch: 7, client: 'a', losses: [2, 1], seconds: 3 },
      { type: 'client_failed', round: 'tuning', dispatch: 8, client: 'a', code: 'X', message: 'm' },
      {
        type: 'round',
        round: 1,
        ...{ clients: ['a'], dropped: ['b'], late: ['c'], joined_late: ['d'], ages: { a: 2 }, loss: 1.5 },
        ...{ bytes_up: 10, bytes_down: 20, metrics: { mine: 1 }, virtual_seconds: 3 },
      },
      { type: 'evaluation', ...means, clients: { a: scores } },
      { type: 'final', ...means, take_home: { a: 'base' } },
    ];
    const { events } = await read(eventLines(...written));
    const took = <T extends keyof typeof events>(type: T, ...keys: (keyof (typeof events)[T][number])[]) => {
      const whole = written.find((event) => event.type === type) as unknown as Record<string, unknown>;
      expect(events[type][0]).toMatchObject(Object.fromEntries(keys.map((key) => [key, whole[key as string]])));
    };
    took('start', 'kernels', 'clients');
    took('client', 'round', 'dispatch', 'client', 'losses');
    took('client_failed', 'round', 'dispatch', 'client', 'code', 'message');
    took('round', 'clients', 'dropped', 'late', 'joined_late', 'ages', 'loss', 'metrics', 'virtual_seconds');
    took('round', 'bytes_up', 'bytes_down');
    took('final', 'take_home');
    expect(events.evaluation[0]!.clients.a!.base).toEqual({ nll: 1, ppl: Math.E });
  });

  it.each(['{"type":"rou', '\ud83d\ude00'])('may end in the middle of a line, or of a character: %s', async (rest) => {
    const dir = await runFolder({ 'events.jsonl': `${eventLines(round(1))}${rest}` });
    const path = join(dir, 'events.jsonl');
    await truncate(path, Buffer.byteLength(eventLines(round(1))) + 2);
    const { events, torn } = await readEvents(path);
    expect(events.round).toHaveLength(1);
    expect(torn).toBe(true);
  });

  it('is not there before the first event', async () => {
    const { events, torn } = await readEvents(join(await runFolder({}), 'events.jsonl'));
    expect([events.start, torn]).toEqual([[], false]);
  });

  it('may hold the line ends of Unicode and lines longer than what is read at a time', async () => {
    const message = `a\u2028b\u2029c\r${'w'.repeat(1_000_000)}\u00e9`;
    const failure = { type: 'client_failed', round: 1, client: 'a', code: 'X', message };
    const { events } = await read(eventLines(failure, round(1)));
    expect(events.client_failed[0]!.message).toBe(message);
    expect(events.round).toHaveLength(1);
  });

  it('gives back numbers that JSON has no form for', async () => {
    const client = { type: 'client', round: 1, client: 'a', losses: [1, Number.NaN], seconds: 1 };
    expect((await read(eventLines(client))).events.client[0]!.losses).toEqual([1, Number.NaN]);
  });

  it.each([
    ['that is no JSON', 'nonsense\n'],
    ['of another form', eventLines({ ...round(2), bytes_up: '<b>' })],
  ])('with a line %s is refused, the line named', async (_, line) => {
    await expect(read(eventLines(round(1)) + line)).rejects.toEqual(damaged('line 2 of events.jsonl'));
  });
});

describe('a run', () => {
  it('has finished where metrics.json belongs to its last round', async () => {
    const dir = await runFolder({ 'events.jsonl': eventLines(round(1), final), 'metrics.json': metrics(1) });
    expect((await readRecord(dir)).metrics?.rounds).toBe(1);
  });

  it.each<[string, Record<string, string>]>([
    ['there is no metrics.json', { 'events.jsonl': eventLines(round(1)) }],
    ['nothing is there yet', {}],
    [
      'it goes on and metrics.json is that of before',
      { 'events.jsonl': eventLines(round(1), round(2)), 'metrics.json': metrics(1) },
    ],
    [
      'metrics.json is not of this run, whatever it holds',
      { 'events.jsonl': eventLines(round(1)), 'metrics.json': 'nonsense' },
    ],
    [
      'it was cut back to an earlier round',
      { 'events.jsonl': eventLines(round(1)), 'metrics.json': metrics(1), 'perfit.svg': '<svg/>' },
    ],
  ])('has not where %s', async (_, files) => {
    const record = await readRecord(await runFolder(files));
    expect(record.metrics).toBeUndefined();
    expect(record.picture).toBeUndefined();
  });

  it('has a partition of an earlier version too, which says less of the rows', async () => {
    const client = { id: 'a', folder: 'a', train: 3, valid: 0, test: 1, categories: {}, dropped: 2, cut: 1 };
    const partition = JSON.stringify({ version: 1, kind: 'natural', clients: [client] });
    const record = await readRecord(await runFolder({ 'partition.json': partition }));
    expect(record.partition!.clients).toEqual([client]);
    expect(record.partition).toMatchObject({
      reading: { rows: 0, bad: 0, reasons: [] },
      left_out: [],
      num_unlabelled: 0,
    });
    const data = /<section id="data".*?<\/section>/s.exec(reportHtml(record))![0];
    expect(data).toContain('<td>–</td><td>4</td><td>2</td><td>1</td><td>–</td>');
    expect(data).not.toContain('Left out before training');
  });

  it('has the scores of single test examples that its owners left', async () => {
    const counts = { train: 0, valid: 0, test: 1, categories: {}, dropped: 0, cut: 0 };
    const client = (id: string, folder: string) => ({ id, folder, ...counts });
    const line = (split: string, nll: object) =>
      `${JSON.stringify({ id: '1', split, targets: 3, category: 'x', nll })}\n`;
    const files = {
      'events.jsonl': eventLines(round(1), final),
      'metrics.json': metrics(1),
      'partition.json': JSON.stringify({
        kind: 'natural',
        clients: [client('a/b', 'a-b'), client('c', 'c')],
      }),
    };
    const scores = line('valid', { base: 9 }) + line('test', { base: 2, global: null });
    const record = await readRecord(await runFolder({ ...files, 'owners/a-b/scores.jsonl': scores }));
    expect(record.scores).toEqual({
      owners: [{ client: 'a/b', examples: [{ id: '1', targets: 3, nll: { base: 2, global: Number.NaN } }] }],
      missing: ['c'],
    });
    const torn = await runFolder({ ...files, 'owners/a-b/scores.jsonl': 'nonsense\n' });
    await expect(readRecord(torn)).rejects.toEqual(damaged('line 1 of owners/a-b/scores.jsonl'));
  });
});
