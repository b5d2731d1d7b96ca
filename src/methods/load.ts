import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { ConfigError, FedtuneError } from '../errors.js';
import { methodOf } from './index.js';
import type { Capabilities, Method } from './method.js';

/** The keys of the run file that say which method it is. */
export interface MethodChoice {
  readonly method: string;
  /** A file with a method of the user; stands in for `method`. */
  readonly strategy: string | null;
}

const flag = z.boolean().optional();
const capabilitiesSchema = z.strictObject({
  gives: z.array(z.enum(['local', 'global', 'personalized'])).min(1),
  mixedRanks: flag,
  robust: flag,
  rebasable: flag,
  aligned: flag,
  mutable: flag,
  pooled: flag,
  silent: flag,
}) satisfies z.ZodType<Capabilities>;

const aFunction = z.custom<(...args: never) => unknown>((value) => typeof value === 'function', 'expected a function');
const aType = z.custom<z.ZodType>(
  (value) => typeof (value as { safeParse?: unknown } | null)?.safeParse === 'function',
  'expected a zod type, with a default and a description',
);

/** What a file of the user has to export; anything more in it is its own. */
const methodSchema = z.looseObject({
  id: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'expected lower-case words with dashes between'),
  summary: z.string(),
  capabilities: capabilitiesSchema,
  options: z.record(z.string().regex(/^[a-z0-9]+(_[a-z0-9]+)*$/, 'expected snake_case'), aType),
  server: aFunction,
  client: aFunction,
});

async function importMethod(file: string): Promise<Method> {
  let module: Record<string, unknown>;
  try {
    module = await import(pathToFileURL(resolve(file)).href);
  } catch (cause) {
    if (cause instanceof FedtuneError) throw cause;
    throw new ConfigError(
      `Expected a method in ${file} but it cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, code: 'STRATEGY_FILE' },
    );
  }
  const names = Object.keys(module).join(', ') || 'nothing';
  if (module.default === undefined) {
    throw new ConfigError(
      `Expected ${file} to say \`export default defineMethod({...})\` but it exports ${names}; see "A method of your own" in docs/methods.md.`,
      { code: 'STRATEGY_FILE' },
    );
  }
  const checked = methodSchema.safeParse(module.default);
  if (checked.success) return module.default as Method;
  const lines = checked.error.issues.map(({ path, message }) => `  ${path.join('.') || 'default'}: ${message}`);
  throw new ConfigError(`The method that ${file} exports is not whole:\n${lines.join('\n')}`, {
    code: 'STRATEGY_FILE',
  });
}

/**
 * The method of a run: the built-in one, or that of the user's file. Throws ConfigError UNKNOWN_METHOD or STRATEGY_FILE
 * (it cannot be loaded, or what it exports is no method).
 */
export async function loadMethod({ method, strategy }: MethodChoice): Promise<Method> {
  return strategy === null ? methodOf(method) : importMethod(strategy);
}
