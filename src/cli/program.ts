import { Command, CommanderError } from 'commander';
import { nearest } from '../config/nearest.js';
import { CONFIG_KEYS } from '../config/schema.js';
import { FedtuneError, InterruptedError } from '../errors.js';
import { version } from '../version.js';
import { addChatCommand } from './chat.js';
import { addCompareCommand } from './compare.js';
import { addCompletionCommand } from './completion.js';
import type { CliContext } from './context.js';
import { addDataCommand } from './data.js';
import { addDoctorCommand } from './doctor.js';
import { addEvalCommand } from './eval.js';
import { addExportCommand } from './export.js';
import { addFederationCommand } from './federation.js';
import { addInitCommand } from './init.js';
import { addInspectCommand } from './inspect.js';
import { addJoinCommand } from './join.js';
import { addKeysCommand } from './keys.js';
import { addModelsCommand } from './models.js';
import { addPlanCommand } from './plan.js';
import { addPushCommand } from './push.js';
import { addReportCommand } from './report.js';
import { addRunCommand } from './run.js';
import { addStartCommand } from './start.js';

const OTHER = 'Other:';
const GROUPS: readonly [string, readonly ((program: Command, context: CliContext) => void)[]][] = [
  ['Begin:', [addStartCommand, addInitCommand, addDoctorCommand, addModelsCommand]],
  ['Look before:', [addDataCommand, addInspectCommand, addKeysCommand]],
  ['Train:', [addPlanCommand, addRunCommand]],
  ['Look after:', [addReportCommand, addCompareCommand, addEvalCommand, addChatCommand]],
  ['Take home:', [addExportCommand, addPushCommand]],
  ['On machines of their own:', [addFederationCommand, addJoinCommand]],
  [OTHER, [addCompletionCommand]],
];

const EXAMPLES = `
Examples:
  fedtune start                                                   a federation of eight owners, nothing to download
  fedtune data inspect 'owners/*.jsonl'                           what is in your data
  fedtune run --model m.gguf --data 'owners/*.jsonl' --output-dir runs/mine
  fedtune eval --adapter runs/mine --data runs/mine               everybody's adapter on everybody's test examples
  fedtune export runs/mine --client north --format gguf --out adapters/north

fedtune COMMAND --help has more of each.`;

/** The command line, without running it. */
export function makeProgram(context: CliContext): Command {
  const program = new Command('fedtune')
    .description('Fine-tune small language models together with LoRA, across owners who keep their data.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    });
  for (const [group, commands] of GROUPS) {
    program.commandsGroup(group);
    for (const add of commands) add(program, context);
  }
  program.addHelpCommand(
    new Command('help').argument('[command]').description('the same as COMMAND --help').helpGroup(OTHER),
  );
  program.addHelpText('after', EXAMPLES);
  return program;
}

/** The nearest key, where commander knows no flag that is as near. */
function suggestion(error: CommanderError): string {
  if (error.message.includes('Did you mean')) return '';
  const flag = /unknown option '--([^']+)'/.exec(error.message)?.[1];
  const near = flag && nearest(flag.replaceAll('-', '_'), CONFIG_KEYS);
  return near ? `Did you mean --${near.replaceAll('_', '-')}?\n` : '';
}

/** Runs the command line; returns the exit code (0 done, 2 wrong usage or configuration, 1 anything else, 130 interrupted). */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  try {
    await makeProgram(context).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      context.stderr.write(suggestion(error));
      return 2;
    }
    if (error instanceof FedtuneError) {
      context.stderr.write(`${error instanceof InterruptedError ? '' : `${error.name}: `}${error.message}\n`);
      return error.exitCode;
    }
    context.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
}
