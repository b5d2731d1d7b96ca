import { type Command, Option } from 'commander';
import { parseAssignment, valueFromText } from '../config/load.js';
import { CONFIG_KEYS, type ConfigKey, KEY_GROUPS, runConfigSchema } from '../config/schema.js';

/** Keys whose flags the help lists; every other key has its flag too. */
const SHOWN: ReadonlySet<ConfigKey> = new Set([
  'model',
  'data',
  'method',
  'partition',
  'num_clients',
  'num_rounds',
  'local_steps',
  'batch_size',
  'learning_rate',
  'lora_r',
  'seq_length',
  'precision',
  'workers',
  'seed',
  'output_dir',
]);

const groupOf = (key: ConfigKey): string => Object.entries(KEY_GROUPS).find(([, keys]) => Object.hasOwn(keys, key))![0];
const flagOf = (key: ConfigKey): string => `--${key.replaceAll('_', '-')}`;
const propertyOf = (key: ConfigKey): string => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Adds one flag for every key of the run file (or for `keys`), and `--set key=value`. */
export function addConfigFlags(command: Command, { keys }: { readonly keys?: readonly ConfigKey[] } = {}): Command {
  for (const key of keys ?? CONFIG_KEYS) {
    const field = runConfigSchema.shape[key];
    const value = field.safeParse(true).success && !field.safeParse('x').success ? '[value]' : '<value>';
    const option = new Option(`${flagOf(key)} ${value}`, field.description);
    option.helpGroup(groupOf(key));
    command.addOption(keys || SHOWN.has(key) ? option : option.hideHelp());
  }
  if (keys) return command;
  return command
    .addOption(
      new Option('--set <key=value>', 'set any key of the run file; may be given more than once').argParser(collect),
    )
    .addHelpText('after', '\nEvery other key of the run file has its flag too: `fedtune keys` lists them.');
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** The keys set by flags, then those set by `--set`. Throws ConfigError. */
export function configOverrides(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const overrides: Record<string, unknown> = {};
  for (const key of CONFIG_KEYS) {
    const value = options[propertyOf(key)];
    if (value === undefined) continue;
    overrides[key] = typeof value === 'string' ? valueFromText(key, value) : value;
  }
  for (const assignment of (options.set ?? []) as string[]) {
    const [key, value] = parseAssignment(assignment);
    overrides[key] = value;
  }
  return overrides;
}
