import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { cancel, intro, isCancel, outro, select, text } from '@clack/prompts';
import type { Command } from 'commander';
import { diffConfig } from '../config/dump.js';
import { valueFromText } from '../config/load.js';
import { parseConfig } from '../config/parse.js';
import { beginRunFile } from '../config/runFile.js';
import { type ConfigKey, runConfigSchema } from '../config/schema.js';
import { ConfigError, InterruptedError } from '../errors.js';
import { makeFolder, writeError } from '../files.js';
import { METHODS, methodOf } from '../methods/index.js';
import { shellWord } from '../text.js';
import type { CliContext } from './context.js';
import { addConfigFlags, configOverrides } from './flags.js';
import { KNOWN_MODELS } from './models.js';

interface InitFlags extends Record<string, unknown> {
  readonly yes?: boolean;
  readonly overwrite?: boolean;
}

type Settings = Record<string, unknown>;

/** A question of one key; `when` it makes no sense it is not asked. */
interface Question {
  readonly key: ConfigKey;
  readonly message: string;
  readonly options?: readonly { readonly value: string; readonly label?: string; readonly hint?: string }[];
  readonly initial?: string;
  readonly when?: (settings: Settings) => boolean;
}

const OTHER = 'other';
const isEmbedded = ({ data }: Settings): boolean => data === undefined || data === 'embedded';

const QUESTIONS: readonly Question[] = [
  {
    key: 'data',
    message: 'Data: a file or folder an owner, a glob pattern, hf:owner/repo, or embedded to try',
    initial: 'embedded',
  },
  {
    key: 'model',
    message: 'Base model',
    initial: 'embedded',
    options: [
      { value: 'embedded', hint: 'tiny, in the package, to try' },
      ...KNOWN_MODELS.map(({ id, parameters, licence }) => ({
        value: `hf:${id}`,
        hint: `${parameters} M parameters, ${licence}`,
      })),
      { value: OTHER, label: 'another', hint: 'a GGUF file, a Hugging Face folder, hf:owner/repo' },
    ],
  },
  {
    key: 'partition',
    message: 'How the data is divided over owners',
    initial: 'natural',
    when: (settings) => !isEmbedded(settings),
    options: [
      { value: 'natural', hint: 'as it is: a file or a folder an owner' },
      { value: 'category', hint: 'an owner a category' },
      { value: 'dirichlet', hint: 'categories skewed over simulated owners' },
      { value: 'iid', hint: 'evenly over simulated owners' },
    ],
  },
  {
    key: 'num_clients',
    message: 'Simulated owners',
    initial: '8',
    when: ({ partition }) => partition === 'dirichlet' || partition === 'iid',
  },
  {
    key: 'method',
    message: 'Method',
    initial: 'fedavg',
    options: METHODS.map((id) => ({ value: id, hint: methodOf(id).summary })),
  },
  { key: 'num_rounds', message: 'Rounds', initial: '10' },
  { key: 'output_dir', message: 'Folder of the run', initial: 'runs/mine' },
];

/** The embedded base is tiny: it takes large steps, and few of them. */
const EMBEDDED = { learning_rate: 3e-3, local_steps: 6 };

/** Why a value cannot be taken; undefined where it can. */
function faultOf(key: ConfigKey, value: unknown): string | undefined {
  const checked = runConfigSchema.shape[key].safeParse(value);
  return checked.success ? undefined : (checked.error.issues[0]?.message ?? 'not a value of this key');
}

/** Throws InterruptedError where the question is left. */
function answered<T>(answer: T): Exclude<T, symbol> {
  if (!isCancel(answer)) return answer as Exclude<T, symbol>;
  cancel('Nothing was written.');
  throw new InterruptedError('Interrupted.');
}

async function askText({ key, message, initial }: Question, context: CliContext): Promise<unknown> {
  const streams = { input: context.stdin as never, output: context.stdout as never };
  const value = (typed: string | undefined) => valueFromText(key, (typed ?? '').trim() || (initial ?? ''));
  const answer = await text({
    ...streams,
    message,
    ...(initial === undefined ? {} : { placeholder: initial, defaultValue: initial }),
    validate: (typed) => faultOf(key, value(typed)),
  });
  return value(answered(answer));
}

async function ask(question: Question, context: CliContext): Promise<unknown> {
  const { message, options, initial } = question;
  if (!options) return askText(question, context);
  const streams = { input: context.stdin as never, output: context.stdout as never };
  const chosen = answered(
    await select({
      ...streams,
      message,
      options: [...options],
      maxItems: 8,
      ...(initial ? { initialValue: initial } : {}),
    }),
  );
  return chosen === OTHER ? askText({ key: question.key, message }, context) : chosen;
}

/** What flags say, and for the rest what is answered, or without a terminal (or with --yes) the first answer. */
async function settingsOf(flags: InitFlags, context: CliContext): Promise<Settings> {
  const settings: Settings = configOverrides(flags);
  const isAsked =
    !flags.yes && (context.stdin as { isTTY?: boolean } | undefined)?.isTTY === true && context.stdout.isTTY;
  if (isAsked) intro('A run of fedtune', { output: context.stdout as never });
  for (const question of QUESTIONS) {
    const { key, initial, when } = question;
    if (settings[key] !== undefined || when?.(settings) === false) continue;
    if (isAsked) settings[key] = await ask(question, context);
    else if (initial !== undefined) settings[key] = valueFromText(key, initial);
  }
  return isEmbedded(settings) && settings.model === 'embedded' ? { ...EMBEDDED, ...settings } : settings;
}

const taken = (path: string, cause?: unknown): ConfigError =>
  new ConfigError(`${path} is there already. Name another file, or replace it with --overwrite.`, { cause });

async function writeNew(path: string, content: string, overwrite: boolean): Promise<void> {
  await makeFolder(dirname(resolve(path)));
  await writeFile(path, content, { flag: overwrite ? 'w' : 'wx' }).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'EEXIST' ? taken(path, cause) : writeError(path, cause);
  });
}

const EXAMPLES = `
Examples:
  fedtune init                                              asks
  fedtune init run.yaml --yes                               the embedded owners, to try
  fedtune init run.yaml --yes --data 'owners/*.jsonl' --model hf:HuggingFaceTB/SmolLM2-135M-Instruct --method perfit`;

/** `fedtune init`: a run file to begin with. */
export function addInitCommand(program: Command, context: CliContext): void {
  const command = program
    .command('init')
    .description('write a commented run file that runs at once: asks, or takes flags')
    .argument('[file]', 'run file to write', 'run.yaml');
  addConfigFlags(command)
    .option('-y, --yes', 'ask nothing: what no flag says is what would be proposed')
    .option('--overwrite', 'replace a file that is there')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, flags: InitFlags) => {
      // Before anything is asked.
      if (!flags.overwrite && existsSync(file)) throw taken(file);
      const config = parseConfig(await settingsOf(flags, context));
      const set = diffConfig(parseConfig({}), config).map(({ key }) => key);
      await writeNew(file, beginRunFile(config, set, dirname(resolve(file))), flags.overwrite === true);
      const next = `wrote ${file}; run it: fedtune run ${shellWord(file)}   what it takes: fedtune plan ${shellWord(file)}`;
      if (context.stdout.isTTY && !flags.yes) outro(next, { output: context.stdout as never });
      else context.stdout.write(`${next}\n`);
    });
}
