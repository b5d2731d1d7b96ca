import type { Command } from 'commander';
import { parseConfig } from '../config/parse.js';
import { ProgressDisplay } from '../report/progress.js';
import { runFederation } from '../run/runFederation.js';
import type { CliContext } from './context.js';
import { printSummary } from './run.js';

/** The federation that ships with the package. */
const START_CONFIG = {
  partition: 'natural',
  also_local: true,
  num_rounds: 6,
  local_steps: 10,
  batch_size: 8,
  learning_rate: 3e-3,
  eval_every: 1,
  max_valid_examples: 20,
  max_test_examples: 60,
  output_dir: 'runs/start',
} as const;

/** `fedtune start`: the embedded federation, with the embedded base. */
export function addStartCommand(program: Command, context: CliContext): void {
  program
    .command('start')
    .description('run the embedded federation: eight owners, a tiny base model')
    .option('--output-dir <dir>', 'run folder; a run that is there is replaced', START_CONFIG.output_dir)
    .action(async (flags: { outputDir: string }) => {
      const display = new ProgressDisplay(context.stdout);
      try {
        const result = await runFederation({
          config: parseConfig({ ...START_CONFIG, output_dir: flags.outputDir }),
          overwrite: true,
          signal: context.signal,
          onProgress: (progress) => display.update(progress),
        });
        display.close();
        printSummary(result, context);
      } finally {
        display.close();
      }
    });
}
