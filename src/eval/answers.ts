import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import { promptTokens, resolveTemplate } from '../data/index.js';
import { DataError, InterruptedError } from '../errors.js';
import { LlamaCpp, writeGgufAdapter } from '../export/index.js';
import type { BaseModel } from '../model/index.js';
import { type DataChoice, referenceOf, scoredRows } from './dataItems.js';
import type { Subject } from './subjects.js';

/** A question to be answered in words, and the answer that the data has. */
export interface OpenQuestion {
  readonly id: string;
  readonly owner: string | undefined;
  readonly category: string | undefined;
  readonly prompt: readonly number[];
  readonly reference: string;
}

/** The examples as questions by the prompt template. Throws DataError TOO_LONG, NO_EXAMPLES: one left out would change a mean. */
export async function loadOpenQuestions(
  config: RunConfig,
  model: BaseModel,
  choice: DataChoice & { readonly maxTokens: number },
): Promise<{ readonly template: string; readonly split: string; readonly questions: readonly OpenQuestion[] }> {
  const template = await resolveTemplate(config.template, model);
  const { examples, split } = await scoredRows(config, choice);
  const room = model.description.contextLength - choice.maxTokens;
  const questions = examples.map((example): OpenQuestion => {
    const { id, owner, category, text } = example;
    if (text !== undefined) throw new DataError('NO_QUESTION', `Example ${id} is plain text: it asks nothing.`);
    const prompt = [...promptTokens(example, { tokenizer: model.tokenizer, template })];
    if (prompt.length <= room) return { id, owner, category, prompt, reference: referenceOf(example) };
    throw new DataError(
      'TOO_LONG',
      `Example ${id} asks in ${prompt.length} tokens, which leaves no room for ${choice.maxTokens} of an answer in a context of ` +
        `${model.description.contextLength}. Lower --max-tokens.`,
    );
  });
  return { template: template.id, split, questions };
}

export interface AnswerAllOptions {
  readonly model: BaseModel;
  /** GGUF file of the base. */
  readonly file: string;
  readonly subjects: readonly Subject[];
  readonly prompts: readonly (readonly number[])[];
  readonly maxTokens: number;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number, subject: string) => void) | undefined;
}

/**
 * The likeliest answers of every subject in llama.cpp, as the base's file is quantised there. Throws FedtuneError LLAMA_CPP;
 * InterruptedError when `signal` fires.
 */
export async function answerAll(options: AnswerAllOptions): Promise<string[][]> {
  const { model, file, subjects, prompts, maxTokens, threads = availableParallelism(), signal, onProgress } = options;
  const dir = await mkdtemp(join(tmpdir(), 'fedtune-answers-'));
  const total = subjects.length * prompts.length;
  const answers: string[][] = [];
  let llama: LlamaCpp | undefined;
  try {
    llama = await LlamaCpp.open(file);
    for (const [i, { name, adapter }] of subjects.entries()) {
      const lora = adapter === null ? null : join(dir, `${i}.gguf`);
      if (adapter !== null && lora !== null) await writeGgufAdapter(lora, adapter, model);
      const onAnswer = (done: number) => onProgress?.(i * prompts.length + done, total, name);
      answers.push(await llama.answers({ lora, prompts, maxTokens, threads, signal, onAnswer }));
      if (signal?.aborted) throw new InterruptedError('Interrupted; nothing was written.');
    }
  } finally {
    await llama?.dispose();
    await rm(dir, { recursive: true, force: true });
  }
  return answers;
}
