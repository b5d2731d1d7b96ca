import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { writeGgufAdapter, writeMergedGguf, writePeftAdapter } from '../export/index.js';
import { dequantize, quantize } from '../native/engine.js';
import { openRun } from '../run/openRun.js';
import type { CliContext } from './context.js';

interface ExportFlags {
  readonly client: string;
  readonly format: 'peft' | 'gguf' | 'merged';
  readonly out: string;
  readonly baseModel?: string;
}

/** Writes one adapter of a run; returns what was written. */
export async function exportAdapter(run: string, { client, format, out, baseModel }: ExportFlags): Promise<string> {
  const opened = await openRun(run);
  const adapter = await opened.readAdapter(client);
  if (format === 'peft') {
    const named = baseModel === undefined ? {} : { baseModelName: baseModel };
    await writePeftAdapter(out, adapter, opened.model, { loraDropout: opened.config.lora_dropout, ...named });
    return out;
  }
  const file = join(out, format === 'gguf' ? 'adapter.gguf' : 'model.gguf');
  if (format === 'gguf') await writeGgufAdapter(file, adapter, opened.model);
  else await writeMergedGguf(file, adapter, opened.model, { dequantize, quantize });
  return file;
}

/** `fedtune export`. */
export function addExportCommand(program: Command, context: CliContext): void {
  program
    .command('export')
    .description('write the adapter of an owner, or the shared one, for other programs')
    .argument('<run>', 'run folder')
    .requiredOption('--client <id>', 'owner id, or global for the shared adapter')
    .addOption(
      new Option(
        '--format <format>',
        'peft: a folder for PEFT; gguf: a LoRA for llama.cpp; merged: base and adapter in one GGUF',
      )
        .choices(['peft', 'gguf', 'merged'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <dir>', 'folder to write to')
    .option('--base-model <name>', 'base_model_name_or_path of a PEFT folder, instead of what is known of the base')
    .addHelpText(
      'after',
      '\nExamples:\n  fedtune export runs/mine --client north --format gguf --out adapters/north\n  fedtune export runs/mine --client global --format peft --out adapters/shared',
    )
    .action(async (run: string, flags: ExportFlags) => {
      context.stdout.write(`${await exportAdapter(run, flags)}\n`);
    });
}
