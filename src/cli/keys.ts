import type { Command } from 'commander';
import { configJsonSchema } from '../config/dump.js';
import { CONFIG_KEYS, runConfigSchema } from '../config/schema.js';
import { loadMethod } from '../methods/load.js';
import type { Shape } from '../methods/method.js';
import type { CliContext } from './context.js';

/** A key a paragraph: its default (`required` where it has none) and what it means. */
function describeKeys(shape: Shape, keys: readonly string[]): string {
  return keys
    .map((key) => {
      const absent = shape[key]!.safeParse(undefined);
      const fallback = absent.success ? absent.data : undefined;
      const value = fallback === undefined ? 'required' : JSON.stringify(fallback);
      return `${key}: ${value}\n    ${shape[key]!.description ?? '(no description)'}\n`;
    })
    .join('');
}

/** `fedtune keys`: every key of the run file, or with `--strategy` the options of a method in a file of the user. */
export function addKeysCommand(program: Command, context: CliContext): void {
  program
    .command('keys')
    .description('list every key of the run file with its default')
    .option('--json-schema', 'print the JSON Schema of the run file, for editors')
    .option('--strategy <file>', 'list the options of a method of your own, which a run file sets in strategy_options')
    .action(async (flags: { jsonSchema?: boolean; strategy?: string }) => {
      if (flags.jsonSchema) {
        context.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
      } else if (flags.strategy !== undefined) {
        const { id, summary, options } = await loadMethod({ method: '', strategy: flags.strategy });
        const keys = Object.keys(options);
        context.stdout.write(`${id}: ${summary}\n${describeKeys(options, keys)}`);
      } else {
        context.stdout.write(describeKeys(runConfigSchema.shape, CONFIG_KEYS));
      }
    });
}
