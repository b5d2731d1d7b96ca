import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { configJsonSchema } from '../config/dump.js';
import { CONFIG_KEYS, type ConfigKey } from '../config/schema.js';
import type { CliContext } from './context.js';

/** What the shells' scripts understand behind the candidates. */
const DIRECTIVE = { files: 0, noFiles: 4 } as const;

/** tab's script for bash, as it stands, completes no paths. */
const BASH_FILES = 'complete -o default -F __fedtune_complete fedtune';

/** The names that a key of the run file may have, where it is one of a list. */
function namesOf(key: ConfigKey): readonly string[] {
  const { properties } = configJsonSchema() as { properties: Record<string, { enum?: readonly string[] }> };
  return properties[key]?.enum ?? [];
}

/** `fedtune completion SHELL`, and what its scripts ask: subcommands, flags, values of flags that are one of a list, else paths. */
export function addCompletionCommand(program: Command, { stdout }: CliContext): void {
  const root = tab(program, { completionCommandName: 'completion' });
  for (const command of root.commands.values()) {
    for (const key of CONFIG_KEYS) {
      const option = command.options.get(key.replaceAll('_', '-'));
      if (option) {
        option.handler = (complete) => {
          for (const name of namesOf(key)) complete(name, '');
        };
      }
    }
  }
  // tab never lets a shell complete paths; here it does where nothing else fits.
  Object.assign(root, {
    complete(word: string) {
      // A command with subcommands comes once for each of them too; the first has its own description.
      const fitting = new Map<string, string>();
      for (const { value, description = '' } of root.completions) {
        if (value.startsWith(word) && !fitting.has(value)) fitting.set(value, description);
      }
      for (const [value, description] of fitting) stdout.write(`${value}\t${description.split('\n')[0]}\n`);
      stdout.write(`:${fitting.size > 0 ? DIRECTIVE.noFiles : DIRECTIVE.files}\n`);
    },
  });
  program.commands
    .find((command) => command.name() === 'completion')
    ?.description('print a script for completion with the tab key')
    .hook('postAction', (_, command) => {
      if (command.args[0] === 'bash') stdout.write(`${BASH_FILES}\n`);
    })
    .addHelpText(
      'after',
      '\nbash: eval "$(fedtune completion bash)" in ~/.bashrc; zsh, fish and powershell likewise.\n`fedtune` has to be on the PATH (npm install --global fedtune).',
    );
}
