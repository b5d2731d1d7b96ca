import { z } from 'zod';
import { EVAL_SPLITS, WHICH } from '../contracts/evaluation.js';
import type { RunEvent } from '../contracts/events.js';
import { checkRead, forEachLine, readJson } from './jsonLines.js';

/** JSON has no NaN and no infinity; they were written as null. */
export const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
export const which = z.enum(WHICH);
const score = z.object({ nll: number, ppl: number });
const scores = z.partialRecord(which, score);
const round = z.number();
const time = z.iso.datetime();
const dispatch = z.number().optional();

const EVENTS = {
  start: z.object({
    time,
    kernels: z.string(),
    clients: z.array(z.object({ id: z.string(), numTrain: number })),
  }),
  client: z.object({
    time,
    round,
    dispatch,
    client: z.string(),
    losses: z.array(number),
  }),
  client_failed: z.object({
    round: z.union([round, z.string()]),
    dispatch,
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
    split: z.enum(EVAL_SPLITS),
    macro: scores,
    clients: z.record(z.string(), scores),
  }),
  final: z.object({ time, macro: scores, take_home: z.record(z.string(), which) }),
} satisfies Partial<Record<RunEvent['type'], z.ZodType>>;

type EventType = keyof typeof EVENTS;
type EventOf<T extends EventType> = z.output<(typeof EVENTS)[T]>;
export type RoundEvent = EventOf<'round'>;
export type ClientEvent = EventOf<'client'>;

/** The events of a run as they were read, by kind, in the order in which they happened. */
export type RunEvents = { readonly [T in EventType]: readonly EventOf<T>[] };

const typeSchema = z.looseObject({ type: z.string() });

/**
 * The events of a run, with `torn` where the last line had no end; none where there is no such file. Kinds that the report
 * does not know are left out. Throws RunError DAMAGED.
 */
export async function readEvents(path: string): Promise<{ readonly events: RunEvents; readonly torn: boolean }> {
  const events: Record<EventType, unknown[]> = {
    start: [],
    client: [],
    client_failed: [],
    round: [],
    evaluation: [],
    final: [],
  };
  const read = await forEachLine(path, (line, i) => {
    const what = `line ${i} of events.jsonl`;
    const event = readJson(what, line, typeSchema);
    if (!Object.hasOwn(EVENTS, event.type)) return;
    const type = event.type as EventType;
    events[type].push(checkRead(what, event, EVENTS[type] as z.ZodType));
  });
  return { events: events as unknown as RunEvents, torn: read?.torn ?? false };
}
