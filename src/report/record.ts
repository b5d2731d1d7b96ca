import { z } from 'zod';
import type { RunConfig } from '../config/schema.js';
import type { RunMetrics } from '../contracts/metrics.js';
import { RunError } from '../errors.js';
import type { ExampleScore } from './paired.js';

/** JSON has no NaN and no infinity; they were written as null. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const score = z.looseObject({ nll: number, ppl: number });
const which = z.enum(['base', 'local', 'global', 'personalized', 'tuned']);
const scores = z.partialRecord(which, score);
const round = z.number();
const time = z.iso.datetime();

const EVENTS = {
  start: z.object({
    time,
    kernels: z.string(),
    clients: z.array(z.object({ id: z.string(), numTrain: number })),
  }),
  client: z.object({
    time,
    round,
    client: z.string(),
    losses: z.array(number),
    tokens: z.object({ train: number, search: number }).optional(),
    seconds: number,
  }),
  client_failed: z.object({
    round: z.union([round, z.string()]),
    client: z.string(),
    code: z.string(),
    message: z.string(),
  }),
  round: z.object({
    time,
    round,
    clients: z.array(z.string()),
    dropped: z.array(z.string()).default([]),
    late: z.array(z.string()).default([]),
    joined_late: z.array(z.string()).default([]),
    ages: z.record(z.string(), number).default({}),
    loss: number.optional(),
    bytes_up: number,
    bytes_down: number,
    metrics: z.record(z.string(), z.unknown()),
    virtual_seconds: number.optional(),
  }),
  evaluation: z.object({
    time,
    round,
    split: z.enum(['valid', 'test']),
    macro: scores,
    clients: z.record(z.string(), scores),
  }),
  final: z.object({ time, macro: scores, take_home: z.record(z.string(), which) }),
};

type EventType = keyof typeof EVENTS;
type EventOf<T extends EventType> = z.output<(typeof EVENTS)[T]>;
export type RoundEvent = EventOf<'round'>;
export type ClientEvent = EventOf<'client'>;
export type EvaluationEvent = EventOf<'evaluation'>;
export type FailureEvent = EventOf<'client_failed'>;

/** The events of a run, by kind, in the order in which they happened. */
export type RunEvents = { readonly [T in EventType]: readonly EventOf<T>[] };

const partitionSchema = z.object({
  kind: z.string(),
  num_dropped: z.number(),
  clients: z.array(
    z.object({
      id: z.string(),
      train: z.array(z.string()),
      valid: z.array(z.string()),
      test: z.array(z.string()),
      categories: z.record(z.string(), z.number()).default({}),
    }),
  ),
});

const metricsSchema = z.looseObject({
  rounds: z.number(),
  clients: z.array(
    z.looseObject({
      id: z.string(),
      num_train: z.number(),
      num_val: z.number(),
      num_test: z.number(),
      ...Object.fromEntries(which.options.map((kind) => [kind, score.optional()])),
      take_home: z.looseObject({ which, ppl: number.optional() }),
    }),
  ),
  macro: z.record(z.string(), score),
  weighted: z.record(z.string(), score),
  timing: z.looseObject({ seconds: number, tokens_per_second: number, peak_rss_bytes: number }),
});

const scoreLine = z.object({
  id: z.string(),
  client: z.string(),
  which,
  split: z.enum(['valid', 'test']),
  nll: number,
  tokens: z.number(),
});

/** What a run folder says about its run, checked. */
export interface RunRecord {
  readonly config: RunConfig;
  /** Keys of the run file that were set to something else than their default. */
  readonly changed: readonly string[];
  readonly events: RunEvents;
  /** Present once the run has finished. */
  readonly metrics?: RunMetrics;
  readonly partition?: z.output<typeof partitionSchema>;
  /** Scores of single test examples, once the run has finished. */
  readonly scores: readonly ExampleScore[];
  /** perfit.svg */
  readonly picture?: string;
}

/** Contents of the files of a run folder; undefined where there is no such file. */
export interface RunFiles {
  readonly events: string | undefined;
  readonly metrics: string | undefined;
  readonly partition: string | undefined;
  readonly scores: string | undefined;
  readonly picture: string | undefined;
}

function damaged(what: string, cause: unknown): RunError {
  const reason = cause instanceof z.ZodError ? z.prettifyError(cause).replaceAll('\n', ' ') : (cause as Error).message;
  return new RunError('DAMAGED', `Expected what fedtune wrote but ${what} cannot be read: ${reason}`, { cause });
}

function readJson(what: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(what, cause);
  }
}

function check<T>(what: string, value: unknown, schema: z.ZodType<T, unknown>): T {
  const checked = schema.safeParse(value);
  if (!checked.success) throw damaged(what, checked.error);
  return checked.data;
}

const read = <T>(what: string, text: string, schema: z.ZodType<T, unknown>): T =>
  check(what, readJson(what, text), schema);

const typeSchema = z.looseObject({ type: z.string() });

/** The events of events.jsonl. A last line without its end is one that is being written, or was when the run was cut. */
export function parseEvents(text: string): RunEvents {
  const events: Record<EventType, unknown[]> = {
    start: [],
    client: [],
    client_failed: [],
    round: [],
    evaluation: [],
    final: [],
  };
  const lines = text.split('\n').slice(0, -1);
  lines.forEach((line, i) => {
    const what = `line ${i + 1} of events.jsonl`;
    const event = check(what, readJson(what, line), typeSchema);
    if (!Object.hasOwn(EVENTS, event.type)) return;
    const type = event.type as EventType;
    events[type].push(check(what, event, EVENTS[type] as z.ZodType));
  });
  return events as unknown as RunEvents;
}

function parseScores(text: string): ExampleScore[] {
  const lines = text.split('\n').slice(0, -1);
  const scores = lines.map((line, i) => read(`line ${i + 1} of scores.jsonl`, line, scoreLine));
  return scores.filter(({ split }) => split === 'test');
}

/**
 * Puts the files of a run folder together. metrics.json counts only where it belongs to the events: a run that goes on for
 * more rounds still has the one of before. Throws RunError DAMAGED.
 */
export function makeRecord(config: RunConfig, changed: readonly string[], files: RunFiles): RunRecord {
  const events = parseEvents(files.events ?? '');
  const metrics =
    events.final.length === 0 || files.metrics === undefined
      ? undefined
      : read('metrics.json', files.metrics, metricsSchema);
  const finished = metrics?.rounds === (events.round.at(-1)?.round ?? 0);
  return {
    config,
    changed,
    events,
    scores: finished ? parseScores(files.scores ?? '') : [],
    ...(finished ? { metrics: metrics as unknown as RunMetrics } : {}),
    ...(files.partition === undefined ? {} : { partition: read('partition.json', files.partition, partitionSchema) }),
    ...(files.picture === undefined || !finished ? {} : { picture: files.picture }),
  };
}

/** Owner ids, sorted as the run sorts them. */
export function ownersOf({ partition, events, metrics }: RunRecord): string[] {
  return (metrics?.clients ?? partition?.clients ?? events.start[0]?.clients ?? []).map(({ id }) => id);
}

/** Rounds that are done. */
export const roundsDone = ({ events }: RunRecord): number => events.round.at(-1)?.round ?? 0;
