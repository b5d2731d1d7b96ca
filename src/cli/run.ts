import { relative } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { parseConfig } from '../config/parse.js';
import type { RunConfig } from '../config/schema.js';
import type { RunMetrics } from '../contracts/metrics.js';
import { formatBytes, formatSeconds, plural } from '../report/format.js';
import { ProgressDisplay } from '../report/progress.js';
import { scoreTable } from '../report/table.js';
import { configFromHere } from '../run/content.js';
import { finishedAs } from '../run/finished.js';
import { type RunResult, runFederation } from '../run/runFederation.js';
import { shellWord } from '../text.js';
import type { CliContext } from './context.js';
import { addConfigFlags, configOverrides } from './flags.js';
import { RunWindow } from './window.js';

interface RunFlags extends Record<string, unknown> {
  readonly json?: boolean;
  readonly resume?: string;
  readonly overwrite?: boolean;
  readonly open?: boolean;
}

/** A resumed run keeps its own configuration; what is given besides must not contradict it (see src/run/resume.ts). */
async function configOf(file: string | undefined, flags: RunFlags): Promise<RunConfig> {
  const overrides = configOverrides(flags);
  if (flags.resume === undefined) return loadConfig({ file, overrides });
  const output = { output_dir: flags.resume };
  if (file !== undefined) return loadConfig({ file, overrides: { ...overrides, ...output } });
  return parseConfig({ ...(await configFromHere(flags.resume)), ...overrides, ...output });
}

/** Prints the table of scores and what they cost. */
export function printSummary({ metrics }: RunResult, { stdout }: CliContext): void {
  const { timing, traffic } = metrics;
  stdout.write(`\nPerplexity on each owner's own test examples (lower is better)\n\n`);
  stdout.write(`${scoreTable(metrics, stdout.isTTY)}\n\n`);
  stdout.write(
    `${formatSeconds(timing.seconds)}, ${Math.round(timing.tokens_per_second)} training tokens/s, ` +
      `${formatBytes(timing.peak_rss_bytes)} of memory at most, ` +
      `${formatBytes(traffic.bytes_up)} up and ${formatBytes(traffic.bytes_down)} down\n`,
  );
}

/** Prints where everything is and how to take an adapter elsewhere. */
export function printWhere({ dir, config, metrics }: RunResult, { stdout }: CliContext): void {
  const folder = shellWord(relative(process.cwd(), dir) || '.');
  if (config.runtime === 'nats') {
    stdout.write(
      `\nin ${folder}: report.html, adapters/global, metrics.json, events.jsonl; each owner has its own adapter\n`,
    );
    return;
  }
  const owner = metrics.clients[0]?.id ?? 'global';
  stdout.write(
    `\nin ${folder}: report.html, adapters/<owner>, owners/<owner>/scores.jsonl, metrics.json, events.jsonl\n`,
  );
  stdout.write(
    `export:   npx fedtune export ${folder} --client ${shellWord(owner)} --format gguf --out ${shellWord(`adapters/${owner}`)}\n`,
  );
}

/** Says of a finished run that there is nothing to go on with, and what there is to do instead. */
function printFinished(dir: string, metrics: RunMetrics, config: RunConfig, { stdout }: CliContext): void {
  const who = config.runtime === 'nats' ? 'global' : (metrics.clients[0]?.id ?? 'global');
  const [run, owner, out] = [dir, who, `adapters/${who}`].map(shellWord);
  const commands = [
    ['report', `report ${run}`],
    ['chat', `chat ${run} --owner ${owner}`],
    ['export', `export ${run} --client ${owner} --format gguf --out ${out}`],
  ];
  stdout.write(
    `The run in ${dir} is finished: ${plural(metrics.rounds, 'round')}. There is nothing to go on with. What it has:\n\n`,
  );
  for (const [name, command] of commands) stdout.write(`${`${name}:`.padEnd(9)}npx fedtune ${command}\n`);
}

export const OPEN_HELP =
  'show the report in the browser while the run goes on; served on this machine alone, until the run ends';

const EXAMPLES = `
Examples:
  fedtune run run.yaml --set lora_r=16
  fedtune run --model m.gguf --data 'owners/*.jsonl' --method perfit --num-rounds 6 --output-dir runs/mine
  fedtune run --model hf:HuggingFaceTB/SmolLM2-135M-Instruct --data hf:databricks/databricks-dolly-15k --partition category
  fedtune run --resume runs/mine`;

/** `fedtune run`. */
export function addRunCommand(program: Command, context: CliContext): void {
  const command = program
    .command('run')
    .description('run a federation: from a run file, from flags, or both')
    .argument('[config.yaml]', 'run file; flags and --set come on top of it');
  addConfigFlags(command)
    .addHelpText('after', EXAMPLES)
    .option('--json', 'print the content of metrics.json to stdout, everything else to stderr')
    .option('--resume <dir>', 'go on with the run in this folder')
    .option('--overwrite', 'replace a run that is in the output folder')
    .option('--open', OPEN_HELP)
    .action(async (file: string | undefined, flags: RunFlags) => {
      const config = await configOf(file, flags);
      const finished = flags.resume === undefined ? undefined : await finishedAs(flags.resume, config);
      if (finished) {
        if (flags.json) context.stdout.write(`${JSON.stringify(finished)}\n`);
        else printFinished(flags.resume!, finished, config, context);
        return;
      }
      const display = new ProgressDisplay(context.stderr);
      const window = flags.open ? new RunWindow(config.output_dir, (line) => display.line(line)) : undefined;
      try {
        const result = await runFederation({
          config,
          resume: flags.resume !== undefined,
          overwrite: flags.overwrite ?? false,
          signal: context.signal,
          onProgress: (progress) => {
            display.update(progress);
            window?.update(progress);
          },
        });
        display.close();
        if (flags.json) context.stdout.write(`${JSON.stringify(result.metrics)}\n`);
        else {
          printSummary(result, context);
          printWhere(result, context);
        }
      } finally {
        display.close();
        await window?.close();
      }
    });
}
