import { type Command, Option } from 'commander';
import { parseConfig } from '../config/parse.js';
import type { ConfigKey, RunConfig } from '../config/schema.js';
import { ConfigError } from '../errors.js';
import { evaluate } from '../eval/evaluate.js';
import { openRuns, parseAdapterSpec, readSubjects, type Subject } from '../eval/subjects.js';
import { inPieces, writeAtomic } from '../files.js';
import { type BaseModel, loadModel } from '../model/index.js';
import { ProgressDisplay } from '../report/progress.js';
import type { OpenedRun } from '../run/openRun.js';
import type { CliContext } from './context.js';
import { evalTables } from './evalTables.js';
import { addConfigFlags, configOverrides } from './flags.js';
import { wholeNumber } from './numbers.js';

/** Keys of the run file that say how something is scored. */
const KEYS: readonly ConfigKey[] = [
  ...(['model', 'model_revision', 'data_revision', 'data_format', 'columns', 'encoding', 'on_bad_row'] as const),
  ...(['template', 'train_on', 'on_long', 'seq_length', 'precision', 'kernels', 'threads'] as const),
];
/** Where no run says it; no longer than the base's context in any case. */
const DEFAULT_SEQ_LENGTH = 2048;

interface EvalFlags extends Record<string, unknown> {
  readonly adapter?: readonly string[];
  readonly base: boolean;
  readonly data?: readonly string[];
  readonly text?: readonly string[];
  readonly choices?: readonly string[];
  readonly choicesPrompt?: string;
  readonly classify?: readonly string[];
  readonly answers?: readonly string[];
  readonly maxTokens?: number;
  readonly gguf?: string;
  readonly split?: 'train' | 'valid' | 'test' | 'all';
  readonly limit?: number;
  readonly window?: number;
  readonly stride?: number;
  readonly rolling?: boolean;
  readonly json?: boolean;
  readonly out?: string;
}

/** The settings: those of the first run that is named, with the flags on top. */
function configOf(flags: EvalFlags, run: OpenedRun | undefined): RunConfig {
  const { data, ...rest } = flags;
  const overrides = { ...configOverrides(rest), ...(data === undefined ? {} : { data: [...data] }) };
  return parseConfig(run ? { ...run.config, ...overrides } : { seq_length: DEFAULT_SEQ_LENGTH, ...overrides });
}

async function modelOf(
  flags: EvalFlags,
  config: RunConfig,
  run: OpenedRun | undefined,
  { signal, stderr }: CliContext,
): Promise<BaseModel> {
  if (flags.model === undefined && run) return run.model;
  if (flags.model === undefined) {
    throw new ConfigError('Expected --model: `embedded`, a GGUF file, a Hugging Face folder, or hf:owner/repo.');
  }
  const display = new ProgressDisplay(stderr);
  try {
    return await loadModel(config.model, {
      ...{ signal, revision: config.model_revision },
      onDownload: (progress) => display.update({ kind: 'downloading', ...progress }),
    });
  } finally {
    display.close();
  }
}

/** The base first, which others are compared with. */
async function subjectsOf(
  flags: EvalFlags,
  specs: Parameters<typeof readSubjects>[0],
  runs: ReadonlyMap<string, OpenedRun>,
  model: BaseModel,
): Promise<Subject[]> {
  const base: Subject[] = flags.base || specs.length === 0 ? [{ name: 'base', adapter: null }] : [];
  return [...base, ...(await readSubjects(specs, runs, model))];
}

async function runEval(flags: EvalFlags, context: CliContext): Promise<void> {
  const { data, text, choices, limit, window, stride, rolling, split, choicesPrompt: prompt } = flags;
  const { classify, answers, maxTokens, gguf } = flags;
  if (!data && !text && !choices && !classify && !answers) {
    throw new ConfigError('Expected something to score: --data, --text, --choices, --classify or --answers.');
  }
  const specs = await Promise.all((flags.adapter ?? []).map(parseAdapterSpec));
  const runs = await openRuns(specs);
  const [run] = runs.values();
  const config = configOf(flags, run);
  const model = await modelOf(flags, config, run, context);
  for (const { dir, model: trained } of runs.values()) {
    if (trained.sha256 !== model.sha256)
      context.stderr.write(`warning: the adapters of ${dir} were trained on ${trained.name} (another file)\n`);
  }
  const subjects = await subjectsOf(flags, specs, runs, model);
  const display = new ProgressDisplay(context.stderr);
  try {
    const { report, lines } = await evaluate({
      ...{ model, subjects, config, signal: context.signal },
      data: data && { split, limit },
      text: text && { paths: text, window, stride, rolling },
      choices: choices && { specs: choices, prompt, limit },
      classes: classify && { specs: classify, split, limit },
      answers: answers && { specs: answers, split, limit, maxTokens, file: gguf },
      onProgress: (done, total, subject) => display.status(`scoring ${subject}: ${Math.floor((100 * done) / total)} %`),
    });
    display.close();
    context.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : evalTables(report));
    if (flags.out !== undefined) await writeAtomic(flags.out, inPieces(jsonLines(lines())));
  } finally {
    display.close();
  }
}

function* jsonLines(lines: Iterable<unknown>): Generator<string> {
  for (const line of lines) yield `${JSON.stringify(line)}\n`;
}

const EXAMPLES = `
Examples:
  fedtune eval --model m.gguf --data 'owners/*.jsonl'
  fedtune eval --adapter runs/mine --data runs/mine --out scores.jsonl
  fedtune eval --model m.gguf --adapter adapters/north other.gguf --text wiki.test.txt --window 1024 --stride 512
  fedtune eval --adapter runs/mine:north --choices questions.jsonl --json
  fedtune eval --adapter runs/mine --answers runs/mine --limit 20 --out answers.jsonl`;

/** `fedtune eval`. */
export function addEvalCommand(program: Command, context: CliContext): void {
  const command = program
    .command('eval')
    .description('score a base and adapters: perplexity of examples and plain text, multiple choice, classes, answers')
    .option(
      '--adapter <adapter...>',
      'PEFT folder, GGUF LoRA, RUN:OWNER (RUN:global: the shared one), or a run for all',
    )
    .option('--no-base', 'do not score the bare base')
    .option('--data <data...>', 'examples, as a run reads them; a run folder: the examples of its owners')
    .addOption(
      new Option(
        '--split <split>',
        'part of the examples; without it the test split where there is one, else all',
      ).choices(['train', 'valid', 'test', 'all']),
    )
    .option('--text <file...>', 'plain text (UTF-8), in windows')
    .option('--window <tokens>', 'tokens in a window; without it the context of the base, at most 1024', wholeNumber)
    .option('--stride <tokens>', 'tokens from one window to the next; without it half a window', wholeNumber)
    .option('--rolling', 'windows as lm-evaluation-harness cuts them: disjoint, behind a BOS token')
    .option('--choices <data...>', 'multiple choice: rows {question, choices, answer}')
    .option(
      '--choices-prompt <text>',
      'text with {question} in it, or `template` for the prompt template; without it "Question: {question}\\nAnswer:"',
    )
    .option('--classify <data...>', 'examples whose answers are classes, as a run reads them: accuracy and macro F1')
    .option('--answers <data...>', 'let llama.cpp answer these examples: exact match, ROUGE-1 and ROUGE-L')
    .option('--max-tokens <n>', 'with --answers: longest answer; without it 128', wholeNumber)
    .option('--gguf <file>', 'with --answers: GGUF file of the base, where that is a folder')
    .option(
      '--limit <n>',
      'at most this many examples of each owner, questions of each file: the first ones',
      wholeNumber,
    )
    .option('--out <file>', 'write the scores of single examples, one JSON a line')
    .option('--json', 'print one JSON document');
  command.addHelpText('after', EXAMPLES);
  addConfigFlags(command, { keys: KEYS }).action((flags: EvalFlags) => runEval(flags, context));
}
