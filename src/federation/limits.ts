import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import type { RunConfig } from '../config/schema.js';
import type { DescribeRequest, TrainRequest } from '../contracts/messages.js';
import { ConfigError, FedtuneError } from '../errors.js';
import { METHODS } from '../methods/index.js';
import { stepsOf } from '../methods/schedule.js';
import { hoursSchema, timeZoneSchema } from './hours.js';

const count = z.int().positive();

/** `owner.yaml` in an owner's folder: what its owner lets a coordinator ask, whatever the run file says. */
export const limitsSchema = z.strictObject({
  methods: z
    .array(z.enum(METHODS))
    .min(1)
    .nullable()
    .default(null)
    .describe('Methods that it takes part in; null: all of fedtune.'),
  max_rounds: count.default(1000).describe('Rounds of a run.'),
  max_local_steps: count.default(10_000).describe('Optimizer steps of a round.'),
  min_owners: count.default(1).describe('Owners in a merge: the run must promise as many (min_clients).'),
  categories: z
    .boolean()
    .default(false)
    .describe('Whether the coordinator may hear how many examples there are of each category.'),
  hours: hoursSchema.nullable().default(null).describe('Hours of the day in which it trains; null: any.'),
  time_zone: timeZoneSchema.nullable().default(null).describe('Where those hours are; null: where the machine is.'),
  threads: count.nullable().default(null).describe('Compute threads; null: as many as there are cores.'),
  max_message_mb: count.default(1024).describe('The largest message that is taken, megabytes.'),
  samples: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Questions that the base and its own adapter answer at the end of a run, in its folder alone; llama.cpp answers.',
    ),
});
export type Limits = Readonly<z.output<typeof limitsSchema>>;

/** Reads owner.yaml; the defaults where there is none. Throws ConfigError. */
export async function readLimits(path: string): Promise<Limits> {
  let text = '';
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new ConfigError(`Cannot read ${path}: ${(cause as Error).message}.`, { cause });
    }
  }
  let value: unknown;
  try {
    value = parse(text) ?? {};
  } catch (cause) {
    throw new ConfigError(`${path} is not valid YAML: ${(cause as Error).message}`, { cause });
  }
  const parsed = limitsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path: where, message }) => `  ${where.join('.') || 'the file'}: ${message}`);
  throw new ConfigError(`Wrong values in ${path}:\n${lines.join('\n')}`);
}

const refusal = (code: string, what: string): FedtuneError =>
  new FedtuneError(code, `The owner takes no part: ${what} Its owner.yaml, or the run, has to change.`);

/** Throws FedtuneError OWNER_LIMIT where a run asks for more than its owner lets it. */
export function checkRun({ config }: Pick<DescribeRequest, 'config'>, limits: Limits): void {
  const { methods, max_rounds: rounds, min_owners: owners, max_local_steps: steps } = limits;
  const refuse = (what: string) => {
    throw refusal('OWNER_LIMIT', what);
  };
  if (methods !== null && !(methods as readonly string[]).includes(config.method))
    refuse(`method ${config.method} is none of ${methods.join(', ')}.`);
  if (config.num_rounds > rounds) refuse(`num_rounds ${config.num_rounds} is over max_rounds ${rounds}.`);
  if (config.min_clients < owners) refuse(`min_clients ${config.min_clients} is under min_owners ${owners}.`);
  for (const [key, value] of [
    ['local_steps', config.local_steps],
    ['finetune_steps', config.finetune_steps],
  ] as const) {
    if ((value ?? 0) > steps) refuse(`${key} ${value} is over max_local_steps ${steps}.`);
  }
}

/** The same for one piece of work, with the examples that the owner has. Throws FedtuneError OWNER_LIMIT. */
export function checkWork({ round }: TrainRequest, config: RunConfig, numTrain: number, limits: Limits): void {
  if (round > config.num_rounds) {
    throw refusal('OWNER_LIMIT', `round ${round} is beyond the ${config.num_rounds} that it agreed to.`);
  }
  const steps = stepsOf(numTrain, config, round);
  if (steps <= limits.max_local_steps) return;
  throw refusal('OWNER_LIMIT', `${steps} steps a round are over max_local_steps ${limits.max_local_steps}.`);
}
