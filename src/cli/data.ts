import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import type { RunConfig } from '../config/schema.js';
import {
  DataTally,
  describeSummary,
  type Example,
  readExamples,
  resolveDataFiles,
  resolveTemplate,
  showExample,
  tokenizeExample,
} from '../data/index.js';
import { DataInspector } from '../data/inspect.js';
import { readOptionsOf, tokenizeOptionsOf } from '../data/options.js';
import { ConfigError, DataError } from '../errors.js';
import { loadModel } from '../model/index.js';
import { dealExamples } from '../partition/index.js';
import { formatBytes } from '../report/format.js';
import { shown } from '../text.js';
import type { CliContext } from './context.js';
import { inspectionText, ownersPicture } from './dataInspect.js';
import { addConfigFlags, configOverrides } from './flags.js';

interface ShowFlags extends Record<string, unknown> {
  readonly index?: string;
  readonly owner?: string;
}

/** A run file, or data by itself. */
async function configOf(what: string | undefined, flags: Record<string, unknown>): Promise<RunConfig> {
  const overrides = configOverrides(flags);
  if (what === undefined || /\.ya?ml$/i.test(what)) return loadConfig({ file: what, overrides });
  return loadConfig({ overrides: { data: what, ...overrides } });
}

/** One line that says how far reading is, where there is a terminal. */
function progressLine({ stderr }: CliContext): {
  update: (bytes: number, total: number, examples: number) => void;
  end: () => void;
} {
  let last = 0;
  return {
    update(bytes, total, examples) {
      const now = performance.now();
      if (!stderr.isTTY || now - last < 200) return;
      last = now;
      const share = total === 0 ? 0 : Math.floor((100 * bytes) / total);
      stderr.write(`\r\u001b[2Kreading: ${share} % of ${formatBytes(total)}, ${examples} examples`);
    },
    end() {
      if (stderr.isTTY && last > 0) stderr.write('\r\u001b[2K');
    },
  };
}

/** Examples as they are read, counted. */
async function* readCounted(config: RunConfig, tally: DataTally, context: CliContext): AsyncGenerator<Example> {
  const line = progressLine(context);
  let count = 0;
  try {
    const onProgress = ({ bytes, totalBytes }: { bytes: number; totalBytes: number }) =>
      line.update(bytes, totalBytes, count);
    for await (const example of readExamples(config.data, { ...readOptionsOf(config), onProgress }, tally)) {
      context.signal.throwIfAborted();
      count++;
      yield example;
    }
  } finally {
    line.end();
  }
}

/** What a partitioner looks at, without the texts. */
const bare = ({ category, owner, domain, label, split }: Example): Example => {
  const labels = Object.entries({ category, owner, domain, label, split }).filter(([, value]) => value !== undefined);
  return { id: '', instruction: '', input: '', output: '', ...Object.fromEntries(labels) };
};

/**
 * Examples with the owners that a run would give them. Where the data does not name these they are dealt out, for which it is
 * read twice.
 */
async function* examplesOf(config: RunConfig, tally: DataTally, context: CliContext): AsyncGenerator<Example> {
  if (config.partition === 'natural') {
    yield* readCounted(config, tally, context);
    return;
  }
  const items: Example[] = [];
  for await (const example of readCounted(config, new DataTally(), context)) items.push(bare(example));
  const owners = new Map<number, string>();
  for (const { id, indices } of dealExamples(items, config).owners) for (const index of indices) owners.set(index, id);
  let at = 0;
  for await (const { owner: _, ...example } of readCounted(config, tally, context)) {
    const owner = owners.get(at++);
    yield owner === undefined ? example : { ...example, owner };
  }
}

/** The example that was asked for: the one of that number (from 0), or the first of that owner. */
async function findExample(config: RunConfig, flags: ShowFlags, context: CliContext): Promise<Example> {
  const index = flags.index === undefined ? 0 : Number(flags.index);
  if (!Number.isSafeInteger(index) || index < 0)
    throw new ConfigError(`Expected --index to be 0 or more but received "${flags.index}".`);
  const owners = new Set<string>();
  let at = 0;
  for await (const example of examplesOf(config, new DataTally(), context)) {
    if (flags.owner !== undefined && example.owner !== flags.owner) {
      if (example.owner !== undefined && owners.size < 20) owners.add(example.owner);
      continue;
    }
    if (at++ === index) return example;
  }
  throw flags.owner === undefined || at > 0
    ? new DataError('NO_EXAMPLES', `Expected an example number ${index} but there are ${at}, counted from 0.`)
    : new DataError(
        'NO_EXAMPLES',
        `Expected rows of an owner "${shown(flags.owner)}" but the data names ${[...owners].map((name) => shown(name)).join(', ') || 'none'}.`,
      );
}

async function show(config: RunConfig, flags: ShowFlags, context: CliContext): Promise<void> {
  const { stdout } = context;
  const model = await loadModel(config.model, { revision: config.model_revision });
  const template = await resolveTemplate(config.template, model);
  const example = await findExample(config, flags, context);
  const labels = (['owner', 'split', 'category', 'domain'] as const).flatMap((key) =>
    example[key] === undefined ? [] : [`${key} ${shown(example[key])}`],
  );
  stdout.write(`${[example.id, ...labels].join(', ')}; template ${template.id} of ${model.name}\n`);
  const tally = new DataTally();
  const options = tokenizeOptionsOf(config, model, template);
  const result = tokenizeExample(example, {
    ...options,
    onBadRow: 'skip',
    onLong: options.onLong === 'error' ? 'drop' : options.onLong,
  });
  tally.tokenized(example, result);
  if (!('dropped' in result)) {
    const sequences = [result.example, ...result.more];
    for (const [i, sequence] of sequences.entries()) {
      const targets = sequence.lossMask.reduce((sum, mark) => sum + mark, 0);
      const which = sequences.length > 1 ? `sequence ${i + 1} of ${sequences.length}: ` : '';
      stdout.write(
        `${which}${sequence.tokens.length} tokens, ${targets} of them targets ${stdout.isTTY ? '(green)' : '(in [[brackets]])'}\n\n`,
      );
      stdout.write(`${showExample(sequence, model.tokenizer, { color: stdout.isTTY === true, tokens: true })}\n\n`);
    }
  }
  for (const line of describeSummary(tally.summary(), options.seqLength)) stdout.write(`${line}\n`);
}

async function inspect(
  config: RunConfig,
  flags: { readonly json?: boolean; readonly svg?: string },
  context: CliContext,
): Promise<void> {
  const model = await loadModel(config.model, { revision: config.model_revision });
  const template = await resolveTemplate(config.template, model);
  const files = await resolveDataFiles(config.data, readOptionsOf(config));
  const tally = new DataTally();
  const inspector = new DataInspector();
  for await (const example of examplesOf(config, tally, context)) inspector.add(example);
  const tokenize = tokenizeOptionsOf(config, model, template);
  const inspection = inspector.finish({ ...tokenize, onBadRow: 'skip' });
  const summary = tally.summary();
  if (flags.svg !== undefined) await writeFile(flags.svg, ownersPicture(inspection));
  if (flags.json) {
    context.stdout.write(
      `${JSON.stringify({ files: files.map(({ label }) => label), ...inspection, read: summary })}\n`,
    );
    return;
  }
  const name = typeof config.data === 'string' ? config.data : config.data.join(', ');
  context.stdout.write(
    inspectionText(inspection, {
      name,
      files: files.length,
      summary,
      seqLength: tokenize.seqLength,
      tokenizer: `${model.name}, template ${template.id}`,
    }),
  );
}

/** `fedtune data show` and `fedtune data inspect`: what the data is, before anything is trained on it. */
export function addDataCommand(program: Command, context: CliContext): void {
  const data = program.command('data').description('look at data before training on it');
  const what = '[config.yaml | data]';
  addConfigFlags(
    data
      .command('show')
      .description('show an example as it will be trained, token by token, its targets marked')
      .argument(what, 'a run file, or data: a file, a folder, hf:owner/repo')
      .option('--index <n>', 'which example, counted from 0 (of --owner, where it is given)')
      .option('--owner <id>', 'an example of this owner'),
  ).action(async (arg: string | undefined, flags: ShowFlags) => show(await configOf(arg, flags), flags, context));
  addConfigFlags(
    data
      .command('inspect')
      .description('say what a data set is: formats, lengths, owners, categories, duplicates, unused columns')
      .argument(what, 'a run file, or data: a file, a folder, hf:owner/repo')
      .option('--json', 'print one JSON document')
      .option('--svg <file>', 'draw owners against categories into this file'),
  ).action(async (arg: string | undefined, flags: Record<string, unknown>) =>
    inspect(await configOf(arg, flags), flags, context),
  );
}
