import type { Token } from 'node-llama-cpp';
import { FedtuneError } from '../errors.js';

export interface LlamaCppParams {
  /** GGUF file of the base. */
  readonly modelPath: string;
  /** GGUF LoRAs to answer with, one after the other; null: the base alone. */
  readonly adapters: readonly (string | null)[];
  /** Token ids of the prompt. */
  readonly prompt: readonly number[];
  readonly maxTokens: number;
}

async function answers({ modelPath, adapters, prompt, maxTokens }: LlamaCppParams): Promise<string[]> {
  // Loaded only when it is asked: it opens shared libraries, and nothing else of an export needs it.
  const { getLlama, LlamaLogLevel } = await import('node-llama-cpp');
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
  });
  try {
    const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
    const texts: string[] = [];
    for (const lora of adapters) {
      const contextSize = prompt.length + maxTokens;
      const context = await model.createContext({ contextSize, threads: 1, ...(lora === null ? {} : { lora }) });
      const answer: Token[] = [];
      // Ends by itself at an end token.
      for await (const token of context.getSequence().evaluate(prompt as Token[], { temperature: 0 })) {
        answer.push(token);
        if (answer.length === maxTokens) break;
      }
      texts.push(model.detokenize(answer));
      await context.dispose();
    }
    return texts;
  } finally {
    await llama.dispose();
  }
}

/**
 * What llama.cpp (through node-llama-cpp, on the CPU) writes after a prompt, taking the likeliest token each time: one
 * text an adapter, up to the end token. Throws FedtuneError LLAMA_CPP where it cannot be loaded or refuses a file.
 */
export async function llamaCppAnswers(params: LlamaCppParams): Promise<string[]> {
  try {
    return await answers(params);
  } catch (cause) {
    throw new FedtuneError(
      'LLAMA_CPP',
      `Expected llama.cpp to answer but node-llama-cpp says: ${(cause as Error).message}`,
      { cause },
    );
  }
}
