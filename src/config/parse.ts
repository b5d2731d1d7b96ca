import { ConfigError } from '../errors.js';
import { checkConfig } from './check.js';
import { describeIssue, shown } from './issues.js';
import { nearest } from './nearest.js';
import { CONFIG_KEYS, type ConfigKey, type RunConfig, runConfigSchema } from './schema.js';

/** Throws ConfigError UNKNOWN_KEY, naming the nearest key. */
export function requireKey(key: string, where: string): ConfigKey {
  if ((CONFIG_KEYS as readonly string[]).includes(key)) return key as ConfigKey;
  const near = nearest(key, CONFIG_KEYS);
  throw new ConfigError(
    `Expected a key of the run file in ${where} but received "${key}".` +
      (near ? ` Did you mean "${near}"?` : ' `fedtune keys` lists them all.'),
    { code: 'UNKNOWN_KEY' },
  );
}

/**
 * Checks a run file's content, fills in the defaults and checks the keys against each other.
 *
 * Throws ConfigError UNKNOWN_KEY, CONFIG (one line for each wrong value) or CONFIG_CONFLICT.
 */
export function parseConfig(input: unknown, where = 'the configuration'): RunConfig {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) {
    throw new ConfigError(`Expected ${where} to be a table of keys and values but received ${shown(input)}.`);
  }
  for (const key of Object.keys(input)) requireKey(key, where);
  const parsed = runConfigSchema.safeParse(input);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `  ${describeIssue(issue, input)}`);
    throw new ConfigError(`Wrong values in ${where}:\n${lines.join('\n')}`);
  }
  const config = { ...parsed.data };
  if ([config.local_steps, config.local_epochs, config.total_steps].every((given) => given === null)) {
    config.local_epochs = 1;
  }
  config.max_valid_examples ??= config.max_test_examples;
  checkConfig(config);
  return Object.freeze(config);
}
