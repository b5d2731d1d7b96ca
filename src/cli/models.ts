import type { Command } from 'commander';
import { formatBytes } from '../report/format.js';
import { plainTable } from '../report/plainTable.js';
import type { CliContext } from './context.js';

/** A small base with instructions in its training, by what its publisher says of it. */
interface KnownModel {
  readonly id: string;
  /** Millions. */
  readonly parameters: number;
  readonly architecture: string;
  readonly context: number;
  readonly licence: string;
  /** Whether the hub asks to accept the licence first, and for HF_TOKEN. */
  readonly gated?: true;
}

export const KNOWN_MODELS: readonly KnownModel[] = [
  ['HuggingFaceTB/SmolLM2-135M-Instruct', 135, 'llama', 8192, 'Apache-2.0'],
  ['google/gemma-3-270m-it', 268, 'gemma3', 32768, 'Gemma', true],
  ['HuggingFaceTB/SmolLM2-360M-Instruct', 362, 'llama', 8192, 'Apache-2.0'],
  ['Qwen/Qwen2.5-0.5B-Instruct', 494, 'qwen2', 32768, 'Apache-2.0'],
  ['Qwen/Qwen3-0.6B', 596, 'qwen3', 40960, 'Apache-2.0'],
  ['google/gemma-3-1b-it', 1000, 'gemma3', 32768, 'Gemma', true],
  ['TinyLlama/TinyLlama-1.1B-Chat-v1.0', 1100, 'llama', 2048, 'Apache-2.0'],
  ['meta-llama/Llama-3.2-1B-Instruct', 1236, 'llama', 131072, 'Llama 3.2', true],
  ['allenai/OLMo-2-0425-1B-Instruct', 1485, 'olmo2', 4096, 'Apache-2.0'],
  ['Qwen/Qwen2.5-1.5B-Instruct', 1544, 'qwen2', 32768, 'Apache-2.0'],
  ['HuggingFaceTB/SmolLM2-1.7B-Instruct', 1711, 'llama', 8192, 'Apache-2.0'],
  ['Qwen/Qwen3-1.7B', 1721, 'qwen3', 40960, 'Apache-2.0'],
  ['HuggingFaceTB/SmolLM3-3B', 3075, 'smollm3', 65536, 'Apache-2.0'],
].map(([id, parameters, architecture, context, licence, gated]) => ({
  ...({ id, parameters, architecture, context, licence } as KnownModel),
  ...(gated ? { gated: true as const } : {}),
}));

/** Bytes a weight: int8 and an f32 scale for every 32 of them. */
export const INT8_BYTES = 1 + 4 / 32;
/** The hub has them in bf16. */
const DOWNLOAD_BYTES = 2;

const sizeOf = (millions: number): string => (millions < 1000 ? `${millions} M` : `${(millions / 1000).toFixed(2)} B`);

/** `fedtune models`: bases to begin with. */
export function addModelsCommand(program: Command, { stdout }: CliContext): void {
  program
    .command('models')
    .description('list small bases to begin with: sizes, licences, what they need')
    .option('--json', 'print one JSON document')
    .action(({ json }: { json?: boolean }) => {
      const models = KNOWN_MODELS.map((model) => ({
        ...model,
        downloadBytes: model.parameters * 1e6 * DOWNLOAD_BYTES,
        weightBytes: model.parameters * 1e6 * INT8_BYTES,
      }));
      if (json) {
        stdout.write(`${JSON.stringify(models)}\n`);
        return;
      }
      const rows = models.map(({ id, parameters, context, licence, gated, downloadBytes, weightBytes }) => [
        `hf:${id}`,
        sizeOf(parameters),
        context,
        formatBytes(downloadBytes),
        formatBytes(weightBytes),
        `${licence}${gated ? ' (accept it on the hub, set HF_TOKEN)' : ''}`,
      ]);
      const head = ['--model', 'parameters', 'context', 'download', 'weights in int8', 'licence'];
      stdout.write(
        `${plainTable(head, rows, ['licence'])}\n\n` +
          'Adapters, optimizer and activations come on top of the weights. Sizes are rounded, from what the publishers say.\n' +
          '`embedded` is in the package. Others of these architectures work as well, also as GGUF files, which are smaller to\n' +
          'fetch: docs/models.md; `fedtune inspect MODEL` says what a base is and whether it can be used.\n',
      );
    });
}
