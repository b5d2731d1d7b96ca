import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Adapter } from '../adapter/layout.js';
import { ConfigError, InterruptedError } from '../errors.js';
import {
  checkReadBack,
  readGgufAdapter,
  readPeftAdapter,
  writeGgufAdapter,
  writeMergedGguf,
  writePeftAdapter,
} from '../export/index.js';
import { writeAtomic } from '../files.js';
import { loadModel } from '../model/index.js';
import { dequantize, quantize } from '../native/engine.js';
import { readRecord } from '../report/record.js';
import { type OpenedRun, openRun } from '../run/openRun.js';
import { adapterCard } from './adapterCard.js';
import type { CliContext } from './context.js';

type Format = 'peft' | 'gguf' | 'merged';

interface ExportFlags {
  readonly client?: string;
  readonly all?: boolean;
  readonly format: Format;
  readonly out: string;
  readonly baseModel?: string;
  readonly card?: boolean;
}

async function writePeft(opened: OpenedRun, client: string, adapter: Adapter, { out, baseModel, card }: ExportFlags) {
  const { model, config } = opened;
  const named = baseModel === undefined ? {} : { baseModelName: baseModel };
  await writePeftAdapter(out, adapter, model, { loraDropout: config.lora_dropout, ...named });
  checkReadBack(adapter, await readPeftAdapter(out, model), out);
  // A README that is there may be anybody's.
  if (!card || existsSync(join(out, 'README.md'))) return;
  const { metrics } = await readRecord(opened.dir);
  if (metrics) await writeAtomic(join(out, 'README.md'), adapterCard(opened, client, metrics));
}

/** Writes one adapter, reads it back and compares; returns what was written. */
async function exportOne(opened: OpenedRun, client: string, flags: ExportFlags): Promise<string> {
  const { format, out } = flags;
  const { model } = opened;
  const adapter = await opened.readAdapter(client);
  if (format === 'peft') {
    await writePeft(opened, client, adapter, flags);
    return out;
  }
  const file = join(out, format === 'gguf' ? 'adapter.gguf' : 'model.gguf');
  if (format === 'gguf') {
    await writeGgufAdapter(file, adapter, model);
    checkReadBack(adapter, await readGgufAdapter(file, model), file);
  } else {
    await writeMergedGguf(file, adapter, model, { dequantize, quantize });
    await loadModel(file);
  }
  return file;
}

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
        'peft: a folder for PEFT; gguf: a LoRA for llama.cpp; merged: base and adapter in one GGUF',
      )
        .choices(['peft', 'gguf', 'merged'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <dir>', 'folder to write to')
    .option('--base-model <name>', 'base_model_name_or_path of a PEFT folder, instead of what is known of the base')
    .option('--no-card', 'no README.md (model card) in a PEFT folder')
    .addHelpText(
      'after',
      '\nExamples:\n  fedtune export runs/mine --client north --format gguf --out adapters/north\n  fedtune export runs/mine --all --format peft --out adapters',
    )
    .action((run: string, flags: ExportFlags) => runExport(run, flags, context));
}
