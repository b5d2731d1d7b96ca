import { z } from 'zod';
import { ConfigError } from '../errors.js';
import type { Method, OptionsOf, Shape } from '../methods/method.js';
import { describeIssue } from './issues.js';
import { nearest } from './nearest.js';
import type { RunConfig } from './schema.js';

/**
 * The options of a method: a built-in's are keys of the run file, which is checked already; those of a method in a file of
 * the user stand in `strategy_options` and are checked here, by the method's own types.
 *
 * Throws ConfigError UNKNOWN_KEY or CONFIG, naming the file and the option.
 */
export function methodOptions<Options extends Shape>(method: Method<Options>, config: RunConfig): OptionsOf<Options> {
  const names = Object.keys(method.options);
  if (config.strategy === null) {
    return Object.fromEntries(names.map((name) => [name, config[name as keyof RunConfig]])) as OptionsOf<Options>;
  }
  const where = `strategy_options of ${config.strategy}`;
  const unknown = Object.keys(config.strategy_options).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const near = nearest(unknown, names);
    const all = names.length > 0 ? `It has ${names.join(', ')}.` : 'It has none.';
    throw new ConfigError(
      `Expected an option of ${method.id} in ${where} but received "${unknown}". ${near ? `Did you mean "${near}"?` : all}`,
      { code: 'UNKNOWN_KEY' },
    );
  }
  const parsed = z.object(method.options).safeParse(config.strategy_options);
  if (parsed.success) return parsed.data as OptionsOf<Options>;
  const lines = parsed.error.issues.map((issue) => `  ${describeIssue(issue, config.strategy_options)}`);
  throw new ConfigError(`Wrong values in ${where}:\n${lines.join('\n')}`);
}
