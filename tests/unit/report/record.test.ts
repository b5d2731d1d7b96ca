import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { makeRecord, parseEvents, type RunFiles } from '../../../src/report/record.js';

const time = '2026-01-02T03:04:05.678Z';
const lines = (...events: object[]): string =>
  events.map((event) => `${JSON.stringify({ time, ...event })}\n`).join('');
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
const recordOf = (files: Partial<RunFiles>) =>
  makeRecord(parseConfig({}), [], {
    events: undefined,
    metrics: undefined,
    partition: undefined,
    scores: undefined,
    picture: undefined,
    ...files,
  });

describe('events.jsonl', () => {
  it('is read by kind, unknown kinds left out', () => {
    const events = parseEvents(lines(round(1), { type: 'news', more: 1 }, round(2)));
    expect(events.round.map((event) => event.round)).toEqual([1, 2]);
    expect(events.round[0]).toMatchObject({ dropped: [], late: [], joined_late: [], ages: {} });
  });

  it('may end in the middle of a line', () => {
    expect(parseEvents(`${lines(round(1))}{"type":"rou`).round).toHaveLength(1);
  });

  it('gives back numbers that JSON has no form for', () => {
    const client = { type: 'client', round: 1, client: 'a', losses: [1, Number.NaN], seconds: 1 };
    expect(parseEvents(lines(client)).client[0]!.losses).toEqual([1, Number.NaN]);
  });

  it.each([
    ['that is no JSON', 'nonsense\n'],
    ['of another form', lines({ ...round(2), bytes_up: '<b>' })],
  ])('with a line %s is refused, the line named', (_, line) => {
    expect(() => parseEvents(lines(round(1)) + line)).toThrow(
      expect.objectContaining({ code: 'DAMAGED', message: expect.stringContaining('line 2 of events.jsonl') }),
    );
  });
});

describe('a run', () => {
  it('has finished where metrics.json belongs to its last round', () => {
    expect(recordOf({ events: lines(round(1), final), metrics: metrics(1) }).metrics?.rounds).toBe(1);
  });

  it.each<[string, Partial<RunFiles>]>([
    ['there is no metrics.json', { events: lines(round(1)) }],
    ['nothing is there yet', {}],
    ['it goes on and metrics.json is that of before', { events: lines(round(1), round(2)), metrics: metrics(1) }],
    ['metrics.json is not of this run, whatever it holds', { events: lines(round(1)), metrics: 'nonsense' }],
    ['it was cut back to an earlier round', { events: lines(round(1)), metrics: metrics(1), picture: '<svg/>' }],
  ])('has not where %s', (_, files) => {
    const record = recordOf(files);
    expect(record.metrics).toBeUndefined();
    expect(record.picture).toBeUndefined();
  });
});
