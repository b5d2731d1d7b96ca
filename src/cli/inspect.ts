import type { Command } from 'commander';
import { loadModel } from '../model/index.js';
import { formatBytes } from '../report/format.js';
import { ProgressDisplay } from '../report/progress.js';
import type { CliContext } from './context.js';

/** `fedtune inspect MODEL`: what a base model is, without reading its weights. */
export function addInspectCommand(program: Command, context: CliContext): void {
  program
    .command('inspect')
    .description('show what a base model is')
    .argument('<model>', '`embedded`, a GGUF file, a Hugging Face folder, or hf:owner/repo[/file]')
    .option('--json', 'print one JSON document')
    .action(async (spec: string, flags: { json?: boolean }) => {
      const display = new ProgressDisplay(context.stderr);
      const { name, sha256, format, path, hubId, revision, description, tokenizer, chatTemplate, warnings } =
        await loadModel(spec, {
          signal: context.signal,
          onDownload: (progress) => display.update({ kind: 'downloading', ...progress }),
        });
      display.close();
      const { tensors, files: _files, ropes, layers: _layers, ...shape } = description;
      const facts = {
        name,
        format,
        path,
        ...(hubId === undefined ? {} : { hubId }),
        ...(revision === undefined ? {} : { revision }),
        sha256,
        ...shape,
        ropeTheta: ropes.map(({ theta }) => theta),
        numTensors: tensors.length,
        numParameters: tensors.reduce((sum, { ne }) => sum + ne.reduce((a, b) => a * b, 1), 0),
        weightBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
        tokenizer: tokenizer.kind,
        chatTemplate: chatTemplate !== undefined,
      };
      if (flags.json) {
        context.stdout.write(`${JSON.stringify({ ...facts, warnings })}\n`);
        return;
      }
      for (const [key, value] of Object.entries(facts)) {
        const shown = key === 'weightBytes' ? formatBytes(value as number) : value;
        context.stdout.write(`${key}: ${shown}\n`);
      }
      for (const warning of warnings) context.stdout.write(`warning: ${warning}\n`);
    });
}
