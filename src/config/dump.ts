import { stringify } from 'yaml';
import { z } from 'zod';
import { CONFIG_KEYS, type ConfigKey, type RunConfig, runConfigSchema } from './schema.js';

/** The configuration with every default filled in, as YAML that loads back to the same. */
export function dumpConfig(config: RunConfig): string {
  return stringify(Object.fromEntries(CONFIG_KEYS.map((key) => [key, config[key]])), { lineWidth: 0 });
}

/** JSON Schema of the run file, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    title: 'fedtune run file',
    ...(z.toJSONSchema(runConfigSchema, { io: 'input' }) as Record<string, unknown>),
  };
}

/** Keys whose values differ between two configurations. */
export function diffConfig(a: RunConfig, b: RunConfig): { key: ConfigKey; before: unknown; after: unknown }[] {
  return CONFIG_KEYS.filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key])).map((key) => ({
    key,
    before: a[key],
    after: b[key],
  }));
}
