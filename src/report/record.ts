import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { diffConfig } from '../config/dump.js';
import { readRunConfig } from '../config/ofRun.js';
import { parseConfig } from '../config/parse.js';
import type { RunConfig } from '../config/schema.js';
import type { RunMetrics } from '../contracts/metrics.js';
import type { SampleAnswer } from '../contracts/samples.js';
import { sha256 } from '../sha256.js';
import { evaluationSchema, type RunEvaluation } from './evaluation.js';
import { number, type RunEvents, readEvents, which } from './events.js';
import { type ReadScores, readExampleScores } from './exampleScores.js';
import { readJson } from './jsonLines.js';
import { readSamples } from './samples.js';

const score = z.looseObject({ nll: number, ppl: number });

const droppedCounts = z.object({ long: z.number(), empty: z.number(), refused: z.number(), repeated: z.number() });

const readingSchema = z.object({
  rows: z.number().default(0),
  bad: z.number().default(0),
  weightless: z.number().default(0),
  turnsLeftOut: z.number().default(0),
  reasons: z.array(z.object({ reason: z.string(), count: z.number(), first: z.string() })).default([]),
  unusedColumns: z.record(z.string(), z.number()).default({}),
});

/** partition.json. What has a default, or is optional, files of earlier versions do not have. */
export const partitionSchema = z.object({
  kind: z.string(),
  num_unlabelled: z.number().default(0),
  reading: readingSchema.prefault({}),
  left_out: z.array(z.object({ id: z.string(), train: z.number() })).default([]),
  clients: z.array(
    z.object({
      id: z.string(),
      folder: z.string(),
      rows: z.number().optional(),
      train: z.number(),
      valid: z.number(),
      test: z.number(),
      categories: z.record(z.string(), z.number()),
      dropped: z.number(),
      dropped_why: droppedCounts.optional(),
      cut: z.number(),
      targets_used: z.number().optional(),
      targets_lost: z.number().optional(),
    }),
  ),
});

const metricsSchema = z.looseObject({
  rounds: z.number(),
  stopped_early: z.literal(true).optional(),
  best_round: z.number().optional(),
  clients: z.array(
    z.looseObject({
      id: z.string(),
      num_train: z.number(),
      num_val: z.number(),
      num_test: z.number(),
      ...Object.fromEntries(which.options.map((kind) => [kind, score.optional()])),
      kept: z.partialRecord(which, z.number()).optional(),
      take_home: z.looseObject({ which, ppl: number.optional() }),
    }),
  ),
  macro: z.record(z.string(), score),
  weighted: z.record(z.string(), score),
  timing: z.looseObject({ seconds: number, tokens_per_second: number, peak_rss_bytes: number }),
});

/** What a run folder says about its run, checked. */
export interface RunRecord {
  readonly config: RunConfig;
  /** Keys of the run file that were set to something else than their default. */
  readonly changed: readonly string[];
  readonly events: RunEvents;
  /** The last line of events.jsonl had no end and was left out. */
  readonly torn: boolean;
  /** Present once the run has finished. */
  readonly metrics?: RunMetrics;
  readonly partition?: z.output<typeof partitionSchema>;
  /** Scores of single test examples, once the run has finished. */
  readonly scores: ReadScores;
  /** What was scored after the run, of the same adapters. */
  readonly evaluation?: RunEvaluation;
  /** Answers to the questions of the run file, so far. */
  readonly samples: readonly SampleAnswer[];
  /** Owners that whoever asks for the report wants drawn, also where there are too many to draw all. */
  readonly asked?: readonly string[];
  /** perfit.svg */
  readonly picture?: string;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}

/** evaluation.json where it is of this metrics.json. */
async function readEvaluation(dir: string): Promise<RunEvaluation | undefined> {
  const [text, metrics] = [await readText(join(dir, 'evaluation.json')), await readText(join(dir, 'metrics.json'))];
  if (text === undefined || metrics === undefined) return undefined;
  const evaluation = readJson('evaluation.json', text, evaluationSchema);
  return evaluation.metrics_sha256 === sha256(metrics) ? evaluation : undefined;
}

/** metrics.json where it belongs to the events: a run that goes on for more rounds still has the one of before. */
async function readMetrics(dir: string, events: RunEvents): Promise<RunMetrics | undefined> {
  const text = events.final.length === 0 ? undefined : await readText(join(dir, 'metrics.json'));
  if (text === undefined) return undefined;
  const metrics = readJson('metrics.json', text, metricsSchema);
  const done = events.round.at(-1)?.round ?? 0;
  return metrics.rounds === done ? (metrics as unknown as RunMetrics) : undefined;
}

/** The scores of a run that is finished; undefined of one that is not. Throws RunError DAMAGED. */
export async function readFinished(dir: string): Promise<RunMetrics | undefined> {
  const { events } = await readEvents(join(dir, 'events.jsonl'));
  return readMetrics(dir, events);
}

/** What a run folder says about its run, finished or not. Throws RunError NOT_A_RUN, DAMAGED; ConfigError. */
export async function readRecord(dir: string): Promise<RunRecord> {
  const config = await readRunConfig(dir);
  const changed = diffConfig(parseConfig({}), config).map(({ key }) => key);
  const { events, torn } = await readEvents(join(dir, 'events.jsonl'));
  const text = await readText(join(dir, 'partition.json'));
  const partition = text === undefined ? undefined : readJson('partition.json', text, partitionSchema);
  const metrics = await readMetrics(dir, events);
  const evaluation = metrics && (await readEvaluation(dir));
  const picture = metrics && (await readText(join(dir, 'perfit.svg')));
  return {
    config,
    changed,
    events,
    torn,
    scores: metrics ? await readExampleScores(dir, partition?.clients ?? metrics.clients) : { owners: [], missing: [] },
    samples: await readSamples(dir, partition?.clients ?? []),
    ...(metrics ? { metrics } : {}),
    ...(evaluation ? { evaluation } : {}),
    ...(partition ? { partition } : {}),
    ...(picture === undefined ? {} : { picture }),
  };
}

/** Owner ids, sorted as the run sorts them. */
export function ownersOf({ partition, events, metrics }: RunRecord): string[] {
  return (metrics?.clients ?? partition?.clients ?? events.start[0]?.clients ?? []).map(({ id }) => id);
}

/** Rounds that are done. */
export const roundsDone = ({ events }: RunRecord): number => events.round.at(-1)?.round ?? 0;
