import type { Command } from 'commander';
import { parseConfig } from '../config/parse.js';
import { ProgressDisplay } from '../report/progress.js';
import { runFederation } from '../run/runFederation.js';
import { printBeforeAfter } from './beforeAfter.js';
import type { CliContext } from './context.js';
import { addConfigFlags, configOverrides } from './flags.js';
import { printSummary, printWhere } from './run.js';

/**
 * The federation that ships with the package: steps enough, at a rate high enough, for the small owners to overfit alone
 * and for the shared adapter to blur what the owners do differently. PerFIT with FedQP and fine-tuning is what was best of the
 * federated methods that share both factors on this data, apart from fedavg with fine-tuning beyond chance
 * (benchmarks/results/methods.md).
 */
const START_CONFIG = {
  method: 'perfit',
  mutation: 'fedqp',
  finetune_steps: 30,
  partition: 'natural',
  also_local: true,
  num_rounds: 6,
  local_steps: 30,
  batch_size: 8,
  learning_rate: 1e-2,
  eval_every: 1,
  max_valid_examples: 20,
  max_test_examples: 60,
  output_dir: 'runs/start',
} as const;

const OWN_DATA = "own data: npx fedtune run --model path/to/model.gguf --data 'owners/*.jsonl' --output-dir runs/mine";

/** `fedtune start`: the embedded federation, with the embedded base. */
export function addStartCommand(program: Command, context: CliContext): void {
  const command = program
    .command('start')
    .description('run the embedded federation: eight owners, a tiny base; replaces the run in its output folder');
  addConfigFlags(command).action(async (flags: Record<string, unknown>) => {
    const config = parseConfig({ ...START_CONFIG, ...configOverrides(flags) });
    const display = new ProgressDisplay(context.stdout);
    try {
      const result = await runFederation({
        config,
        overwrite: true,
        signal: context.signal,
        onProgress: (progress) => display.update(progress),
      });
      display.close();
      printSummary(result, context);
      await printBeforeAfter(result, context);
      printWhere(result, context);
      context.stdout.write(`${OWN_DATA}\n`);
    } finally {
      display.close();
    }
  });
}
