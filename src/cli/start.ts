import type { Command } from 'commander';
import { parseConfig } from '../config/parse.js';
import { ProgressDisplay } from '../report/progress.js';
import { runFederation } from '../run/runFederation.js';
import { printBeforeAfter } from './beforeAfter.js';
import type { CliContext } from './context.js';
import { addConfigFlags, configOverrides } from './flags.js';
import { printGains } from './gains.js';
import { OPEN_HELP, printSummary, printWhere } from './run.js';
import { RunWindow } from './window.js';

/**
 * The federation that ships with the package: many short rounds, so that what one owner learns of the common codes reaches the
 * others.
 */
const START_CONFIG = {
  method: 'perfit',
  mutation: 'fedqp',
  alpha: 0.5,
  merge_weights: 'uniform',
  finetune_steps: 6,
  partition: 'natural',
  also_local: true,
  num_rounds: 19,
  local_steps: 6,
  batch_size: 8,
  learning_rate: 1e-2,
  local_learning_rate: 2.5e-3,
  eval_every: 6,
  output_dir: 'runs/start',
} as const;

const OWN_DATA = "own data: npx fedtune run --model path/to/model.gguf --data 'owners/*.jsonl' --output-dir runs/mine";

/** `fedtune start`: the embedded federation, with the embedded base. */
export function addStartCommand(program: Command, context: CliContext): void {
  const command = program
    .command('start')
    .description('run the embedded federation: eight owners, a tiny base; replaces the run in its output folder');
  addConfigFlags(command)
    .option('--open', OPEN_HELP)
    .action(async (flags: Record<string, unknown>) => {
      const config = parseConfig({ ...START_CONFIG, ...configOverrides(flags) });
      const display = new ProgressDisplay(context.stdout);
      const window = flags.open ? new RunWindow(config.output_dir, (line) => display.line(line)) : undefined;
      try {
        const result = await runFederation({
          config,
          overwrite: true,
          signal: context.signal,
          onProgress: (progress) => {
            display.update(progress);
            window?.update(progress);
          },
        });
        display.close();
        printSummary(result, context);
        await printGains(result, context);
        await printBeforeAfter(result, context);
        printWhere(result, context);
        context.stdout.write(`${OWN_DATA}\n`);
      } finally {
        display.close();
        await window?.close();
      }
    });
}
