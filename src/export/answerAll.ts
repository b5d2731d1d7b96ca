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
  /** Who answers, the bare base where there is no adapter; to `prompts` where it has no own. */
  readonly subjects: readonly {
    readonly name: string;
    readonly adapter: Adapter | null;
    readonly prompts?: readonly (readonly number[])[];
  }[];
  /** Token ids. @default none */
  readonly prompts?: readonly (readonly number[])[];
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
  const { model, file, prompts: all = [], maxTokens, threads = availableParallelism(), signal, onProgress } = options;
  const dir = await mkdtemp(join(tmpdir(), 'fedtune-answers-'));
  const subjects = options.subjects.map((subject) => ({ ...subject, prompts: subject.prompts ?? all }));
  const total = subjects.reduce((sum, { prompts }) => sum + prompts.length, 0);
  let before = 0;
  const answers: string[][] = [];
  let llama: LlamaCpp | undefined;
  try {
    llama = await LlamaCpp.open(file);
    for (const [i, { name, adapter, prompts }] of subjects.entries()) {
      const lora = adapter === null ? null : join(dir, `${i}.gguf`);
      if (adapter !== null && lora !== null) await writeGgufAdapter(lora, adapter, model);
      const onAnswer = (done: number) => onProgress?.(before + done, total, name);
      answers.push(await llama.answers({ lora, prompts, maxTokens, threads, signal, onAnswer }));
      before += prompts.length;
      if (signal?.aborted) throw new InterruptedError('Interrupted; nothing was written.');
    }
  } finally {
    await llama?.dispose();
    await rm(dir, { recursive: true, force: true });
  }
  return answers;
}
