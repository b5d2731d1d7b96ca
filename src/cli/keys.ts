import type { Command } from 'commander';
import { configJsonSchema } from '../config/dump.js';
import { CONFIG_KEYS, runConfigSchema } from '../config/schema.js';
import type { CliContext } from './context.js';

/** `fedtune keys`: every key of the run file. */
export function addKeysCommand(program: Command, context: CliContext): void {
  program
    .command('keys')
    .description('list every key of the run file with its default')
    .option('--json-schema', 'print the JSON Schema of the run file, for editors')
    .action((flags: { jsonSchema?: boolean }) => {
      if (flags.jsonSchema) {
        context.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
        return;
      }
      const defaults: Record<string, unknown> = runConfigSchema.parse({});
      for (const key of CONFIG_KEYS) {
        context.stdout.write(
          `${key}: ${JSON.stringify(defaults[key])}\n    ${runConfigSchema.shape[key].description}\n`,
        );
      }
    });
}
