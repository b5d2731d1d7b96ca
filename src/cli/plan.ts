import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { formatBytes, formatSeconds, plural } from '../report/format.js';
import { plainTable } from '../report/plainTable.js';
import { ProgressDisplay } from '../report/progress.js';
import { type PlannedRun, planRun } from '../run/planRun.js';
import { shown } from '../text.js';
import type { CliContext } from './context.js';
import { addConfigFlags, configOverrides } from './flags.js';

/** Owners in the table; `--json` has all. */
const MAX_ROWS = 50;

const EXAMPLES = `
Examples:
  fedtune plan run.yaml
  fedtune plan --model m.gguf --data 'owners/*.jsonl' --precision int4 --workers 1`;

function planText({ estimate, model, workers, threads, kernels }: PlannedRun, numRounds: number): string {
  const { seconds, memory, bytes, owners } = estimate;
  const rows = owners
    .slice(0, MAX_ROWS)
    .map(({ id, train, valid, test, steps, tokens }) => [shown(id), train, valid, test, steps, tokens]);
  const more = owners.length > MAX_ROWS ? `... and ${owners.length - MAX_ROWS} more, which --json has\n` : '';
  return (
    `${model}: ${plural(owners.length, 'owner')}, ${plural(numRounds, 'round')}; ${kernels}, ${plural(workers, 'worker')} of ${plural(threads, 'thread')}\n\n` +
    `${plainTable(['owner', 'train', 'valid', 'test', 'steps a round', 'tokens a round'], rows)}\n${more}\n` +
    `time      about ${formatSeconds(seconds.total)}: training ${formatSeconds(seconds.train)}, scoring ${formatSeconds(seconds.score)}, the rest ${formatSeconds(seconds.rest)}\n` +
    `memory    about ${formatBytes(memory.total)}: base ${formatBytes(memory.base)}, training ${formatBytes(memory.training)}, ` +
    `adapters ${formatBytes(memory.adapters)}, program and data ${formatBytes(memory.rest)}\n` +
    `traffic   ${formatBytes(bytes.up)} up, ${formatBytes(bytes.down)} down\n`
  );
}

/** `fedtune plan`. */
export function addPlanCommand(program: Command, context: CliContext): void {
  const command = program
    .command('plan')
    .description('say what a run would take: time, memory, traffic, steps and tokens of each owner')
    .argument('[config.yaml]', 'run file; flags and --set come on top of it');
  addConfigFlags(command)
    .addHelpText('after', EXAMPLES)
    .option('--json', 'print one JSON document')
    .action(async (file: string | undefined, flags: Record<string, unknown>) => {
      const config = await loadConfig({ file, overrides: configOverrides(flags) });
      const display = new ProgressDisplay(context.stderr);
      try {
        display.status('reading the data, then two seconds of training');
        const planned = await planRun({
          config,
          signal: context.signal,
          hub: {
            signal: context.signal,
            onDownload: (progress) => display.update({ kind: 'downloading', ...progress }),
          },
        });
        display.close();
        context.stdout.write(flags.json ? `${JSON.stringify(planned)}\n` : planText(planned, config.num_rounds));
      } finally {
        display.close();
      }
    });
}
