import { relative } from 'node:path';
import { type Example, loadExamples, promptTokens, resolveTemplate } from '../data/index.js';
import { llamaCppAnswers } from '../export/index.js';
import { adapterFolder } from '../run/adapters.js';
import type { RunResult } from '../run/runFederation.js';
import type { CliContext } from './context.js';
import { exportAdapter } from './export.js';
import { SHARED_COLUMN } from './gains.js';

/**
 * Whose first test example of which category is asked, of those that need a code only other owners trained on: fixed
 * beforehand, so that nobody picks what looks best.
 */
const ASKED = { owner: 'hollow-lane-upkeep', category: 'appointment', label: 'true' } as const;

const MAX_TOKENS = 100;

/** That example, where the run is one of the embedded owners. */
async function askedExample({ config, owners, model }: RunResult): Promise<Example | undefined> {
  const ours = config.data === 'embedded' && config.partition === 'natural' && model.format === 'gguf';
  if (!ours || !owners.some(({ id }) => id === ASKED.owner)) return undefined;
  const { examples } = await loadExamples('embedded', { labelColumn: SHARED_COLUMN });
  return examples.find(
    ({ owner, split, category, label }) =>
      split === 'test' && owner === ASKED.owner && category === ASKED.category && label === ASKED.label,
  );
}

const indented = (label: string, text: string): string =>
  text
    .split('\n')
    .map((line, i) => `  ${(i === 0 ? label : '').padEnd(14)}${line}\n`)
    .join('');

/**
 * Exports what one owner takes home as a GGUF LoRA beside its PEFT files and lets llama.cpp answer one of the owner's test
 * examples without and with it. A line says so where llama.cpp cannot be loaded.
 */
export async function printBeforeAfter(result: RunResult, { stdout }: CliContext): Promise<void> {
  const example = await askedExample(result);
  if (!example) return;
  const { dir, config, model, owners } = result;
  const out = adapterFolder(dir, owners.find(({ id }) => id === ASKED.owner)!.folder);
  const file = await exportAdapter(dir, { client: ASKED.owner, format: 'gguf', out });
  const template = await resolveTemplate(config.template, model);
  const prompt = [...promptTokens(example, { tokenizer: model.tokenizer, template })];
  try {
    const adapters = [null, file];
    const [before, after] = await llamaCppAnswers({ modelPath: model.path, adapters, prompt, maxTokens: MAX_TOKENS });
    stdout.write(
      `\n${ASKED.owner} asks llama.cpp (its first test example of category ${ASKED.category} with a code ` +
        `that only others trained on, adapter ${relative(process.cwd(), file)})\n` +
        indented('prompt', `${example.instruction}\n${example.input}`) +
        indented('base', before!) +
        indented('with adapter', after!) +
        indented('own answer', example.output),
    );
  } catch (error) {
    stdout.write(`\nNo answers before and after: ${(error as Error).message.split('\n')[0]}\n`);
  }
}
