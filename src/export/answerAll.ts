import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Adapter } from '../adapter/layout.js';
import { InterruptedError } from '../errors.js';
import { writeGgufAdapter } from './ggufAdapter.js';
import { LlamaCpp } from './llamaCpp.js';
import type { ExportModel } from './types.js';

export interface AnswerAllOptions {
  readonly model: ExportModel;
  /** GGUF file of the base. */
  readonly file: string;
  /** Who answers, the bare base where there is no adapter. */
  readonly subjects: readonly { readonly name: string; readonly adapter: Adapter | null }[];
  /** Token ids. */
  readonly prompts: readonly (readonly number[])[];
  readonly maxTokens: number;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number, subject: string) => void) | undefined;
}

/**
 * The likeliest answers of every subject in llama.cpp, one text a prompt, as the base's file is quantised there. Throws FedtuneError LLAMA_CPP;
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
