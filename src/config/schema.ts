import { z } from 'zod';
import { dataKeys } from './keys/data.js';
import { federationKeys } from './keys/federation.js';
import { methodKeys } from './keys/method.js';
import { trainingKeys } from './keys/training.js';

/** The keys by what they are about. */
export const KEY_GROUPS = {
  'Model and data:': dataKeys,
  'Owners and rounds:': federationKeys,
  'Method:': methodKeys,
  'Training and machine:': trainingKeys,
} as const;

/** The run file: every key, its default and what it means. Keys are snake_case, as PEFT's and Axolotl's. */
export const runConfigSchema = z.strictObject({ ...dataKeys, ...federationKeys, ...methodKeys, ...trainingKeys });

/** A complete, checked run configuration. */
export type RunConfig = Readonly<z.output<typeof runConfigSchema>>;
/** What a run file may hold: every key is optional. */
export type RunConfigInput = z.input<typeof runConfigSchema>;
export type ConfigKey = keyof RunConfig & string;

/** All keys in the order in which they are written. */
export const CONFIG_KEYS = Object.keys(runConfigSchema.shape) as readonly ConfigKey[];
