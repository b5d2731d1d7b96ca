import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { ConfigError, InterruptedError } from '../errors.js';
import { type OpenedRun, openRun } from '../run/openRun.js';
import type { CliContext } from './context.js';
import { FORMATS, type FormatFlags } from './exportFormats.js';

interface ExportFlags extends FormatFlags {
  readonly client?: string;
  readonly all?: boolean;
  readonly format: keyof typeof FORMATS;
}

const exportOne = (run: OpenedRun, client: string, flags: ExportFlags): Promise<string> =>
  FORMATS[flags.format]({ ...flags, run, client });

/** Writes one adapter of a run; returns what was written. */
export async function exportAdapter(run: string, flags: ExportFlags & { readonly client: string }): Promise<string> {
  return exportOne(await openRun(run), flags.client, flags);
}

/** Every owner's adapter and the shared one, where there is one, each into a folder of its own. */
async function exportAll(run: string, flags: ExportFlags, { stdout, signal }: CliContext): Promise<void> {
  const opened = await openRun(run);
  const shared = existsSync(opened.folderOf('global')) ? ['global'] : [];
  for (const client of [...shared, ...opened.clients]) {
    if (signal.aborted) throw new InterruptedError('Interrupted; what was written is whole.');
    const out = join(flags.out, basename(opened.folderOf(client)));
    stdout.write(`${await exportOne(opened, client, { ...flags, out })}\n`);
  }
}

async function runExport(run: string, flags: ExportFlags, context: CliContext): Promise<void> {
  const { client, all = false } = flags;
  if (all === (client !== undefined)) throw new ConfigError('Expected one of --client ID and --all.');
  if (client === undefined) await exportAll(run, flags, context);
  else context.stdout.write(`${await exportAdapter(run, { ...flags, client })}\n`);
}

/** `fedtune export`. */
export function addExportCommand(program: Command, context: CliContext): void {
  program
    .command('export')
    .description('write the adapter of an owner, or the shared one, for other programs')
    .argument('<run>', 'run folder')
    .option('--client <id>', 'owner id, or global for the shared adapter')
    .option('--all', 'every owner, and the shared adapter: a folder each')
    .addOption(
      new Option(
        '--format <format>',
        'peft: a folder for PEFT; gguf: a LoRA for llama.cpp; merged: base and adapter in one GGUF; merged-hf: the same in a folder for ' +
          'transformers; ollama: a LoRA and a Modelfile',
      )
        .choices(Object.keys(FORMATS))
        .makeOptionMandatory(),
    )
    .requiredOption('--out <dir>', 'folder to write to')
    .option(
      '--base <model>',
      'for merged-hf: Hugging Face folder or hf:owner/repo of the base, where the run has it as GGUF',
    )
    .option('--base-model <name>', 'what a PEFT folder or Modelfile calls the base, instead of what is known of it')
    .option('--no-card', 'no README.md (model card) in a folder')
    .addHelpText(
      'after',
      '\nExamples:\n  fedtune export runs/mine --client north --format gguf --out adapters/north\n  fedtune export runs/mine --all --format peft --out adapters',
    )
    .action((run: string, flags: ExportFlags) => runExport(run, flags, context));
}
